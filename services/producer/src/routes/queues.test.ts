import { queueCounts } from '@cronium/contracts';
import { describe, expect, it } from 'vitest';
import { JOB, startApp, submit } from '../test/harness.ts';

describe('GET /v1/queues', () => {
  it('counts what waits, and how long the oldest has waited', async () => {
    await using app = await startApp();
    for (const job of [JOB, { ...JOB, priority: 10 }, { ...JOB, delaySeconds: 60 }, { ...JOB, pool: 'b' }])
      await submit(app, job);
    const { id } = await submit(app, JOB);
    // The oldest is neither first in line nor last.
    await app.valkey.hset(`${app.prefix}:default:${id}`, 'timestamp', String(Date.now()));
    const [oldest = ''] = await app.valkey.zrange(`${app.prefix}:default:prioritized`, '1', '1');
    await app.valkey.hset(`${app.prefix}:default:${oldest}`, 'timestamp', String(Date.now() - 90_000));
    const { queues } = queueCounts.parse(await (await app.request('/v1/queues')).json());
    expect(queues).toMatchObject([
      { name: 'b', pool: 'b', waiting: 1, delayed: 0, active: 0, paused: false },
      { name: 'default', pool: 'default', requires: {}, waiting: 3, delayed: 1, active: 0, paused: false },
    ]);
    expect(queues[1]?.oldestSeconds).toBeGreaterThanOrEqual(90);
    expect(queues[0]?.oldestSeconds).toBeLessThan(90);
  });

  it('passes over a record that cannot be read', async () => {
    await using app = await startApp();
    await submit(app, JOB);
    await app.valkey.hset(app.keys.queues, { broken: '{', other: '{"pool":1}' });
    expect(await (await app.request('/v1/queues')).json()).toMatchObject({ queues: [{ name: 'default' }] });
  });

  it('says null where nothing waits', async () => {
    await using app = await startApp();
    await submit(app, { ...JOB, delaySeconds: 60 });
    expect(await (await app.request('/v1/queues')).json()).toMatchObject({
      queues: [{ oldestSeconds: null }],
    });
  });
});

describe('a pool', () => {
  it('is paused and resumed, and workers are told', async () => {
    await using app = await startApp();
    await submit(app, JOB);
    expect(await (await app.post('/v1/queues/default/pause', '')).json()).toEqual({
      pool: 'default',
      paused: true,
    });
    expect(await app.valkey.smembers(app.keys.pausedPools)).toEqual(['default']);
    expect(await (await app.request('/v1/queues')).json()).toMatchObject({ queues: [{ paused: true }] });
    expect(await (await app.post('/v1/queues/default/resume', '')).json()).toEqual({
      pool: 'default',
      paused: false,
    });
    expect(await app.valkey.exists(app.keys.pausedPools)).toBe(0);
  });

  it('takes no more jobs than it may hold', async () => {
    await using app = await startApp({ limits: { maxQueued: 3 } });
    for (let i = 0; i < 3; i++) await submit(app, JOB);
    const response = await app.post('/v1/jobs', JOB);
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '10']);
    expect((await app.post('/v1/jobs', { ...JOB, pool: 'other' })).status).toBe(202);
  });
});
