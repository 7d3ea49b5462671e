import { problem } from '@cronium/contracts';
import { describe, expect, it } from 'vitest';
import { JOB, startApp, submit } from '../test/harness.ts';
import { scriptedResults } from '../test/scripted-results.ts';

describe('cancel', () => {
  it('leaves the job in its queue for results to end, whatever its pool is called', async () => {
    await using app = await startApp();
    const { id } = await submit(app, { ...JOB, pool: 'cancel' });
    expect((await app.post(`/v1/jobs/${id}/cancel`, '')).status).toBe(202);
    expect([...(await app.payloads('cancel')).keys()]).toEqual([id]);
  });

  it('leaves a wish that workers and results see', async () => {
    await using app = await startApp();
    const { id } = await submit(app, JOB);
    const response = await app.post(`/v1/jobs/${id}/cancel`, '');
    expect([response.status, await response.json()]).toEqual([202, { id, cancelling: true }]);
    expect(JSON.parse((await app.valkey.get(app.keys.cancel(id))) ?? '')).toEqual({
      by: 'tests',
      at: expect.any(Number),
    });
    expect((await app.events()).at(-1)).toEqual({
      type: 'cancel',
      jobId: id,
      tenant: 'default',
      by: 'tests',
      at: expect.any(Number),
    });
  });

  it('asks results for a job that is in no queue', async () => {
    const [gone, runs, ended] = ['job_aaaaaaaaaaaa', 'job_bbbbbbbbbbbb', 'job_cccccccccccc'];
    await using results = await scriptedResults({
      [`/v1/jobs/${runs}`]: { state: 'running' },
      [`/v1/jobs/${ended}`]: { state: 'timed_out' },
    });
    await using app = await startApp({ resultsUrl: results.url });
    expect((await app.post(`/v1/jobs/${gone}/cancel`, '')).status).toBe(404);
    expect((await app.post(`/v1/jobs/${runs}/cancel`, '')).status).toBe(202);
    const conflict = await app.post(`/v1/jobs/${ended}/cancel`, '');
    expect(await conflict.json()).toMatchObject({ status: 409, state: 'timed_out' });
  });

  it('asks results for a job that a worker holds, and does without when results is away', async () => {
    const states: Record<string, unknown> = {};
    await using results = await scriptedResults(states);
    await using app = await startApp({ resultsUrl: results.url });
    const { id } = await submit(app, JOB);
    states[`/v1/jobs/${id}`] = { state: 'succeeded' };
    const lock = `${app.prefix}:default:${id}:lock`;
    await app.valkey.set(lock, 'node:token');
    expect((await app.post(`/v1/jobs/${id}/cancel`, '')).status).toBe(409);
    await results[Symbol.asyncDispose]();
    expect((await app.post(`/v1/jobs/${id}/cancel`, '')).status).toBe(202);
  });

  it('names results when it is needed and away', async () => {
    await using app = await startApp();
    const response = await app.post('/v1/jobs/job_aaaaaaaaaaaa/cancel', '');
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
    expect(problem.parse(await response.json()).detail).toMatch(
      /results at http:\/\/127\.0\.0\.1:1 does not answer/,
    );
  });

  it('knows only ids that could be', async () => {
    await using app = await startApp();
    expect((await app.post('/v1/jobs/job_x/cancel', '')).status).toBe(404);
  });
});

describe('retry', () => {
  it('puts an ended job back with its attempts counted on, also when the queue has kept it', async () => {
    await using first = await startApp();
    const { id } = await submit(first, { ...JOB, delaySeconds: 60 }, { 'idempotency-key': 'k' });
    const payload = (await first.payloads()).get(id);
    await using results = await scriptedResults({
      [`/internal/v1/jobs/${id}/payload`]: { jobId: id, state: 'failed', attempts: 3, payload },
    });
    await using app = await startApp({ resultsUrl: results.url });
    await app.valkey.hset(app.keys.queues, 'default', '{"pool":"default","requires":{}}');
    await app.valkey.hset(`${app.prefix}:default:${id}`, 'data', JSON.stringify(payload), 'finishedOn', '1');
    await app.valkey.zadd(`${app.prefix}:default:completed`, 1, id);
    await app.valkey.set(app.keys.cancel(id), '{}');
    const response = await app.post(`/v1/jobs/${id}/retry`, '');
    expect([response.status, await response.json()]).toEqual([
      202,
      { id, state: 'queued', traceId: payload?.traceId },
    ]);
    expect((await app.payloads()).get(id)).toMatchObject({ attemptBase: 3, spec: { delaySeconds: 60 } });
    expect(await app.valkey.zcard(`${app.prefix}:default:delayed`)).toBe(0);
    expect(await app.valkey.exists(app.keys.cancel(id))).toBe(0);
    expect(await app.events()).toEqual([
      { type: 'retried', queue: 'default', jobId: id, by: 'tests', at: expect.any(Number) },
    ]);
  });

  it('waits until the worker of an ended job has let go of it', async () => {
    const jobId = 'job_abcdefghijkl';
    await using first = await startApp();
    const { id } = await submit(first, JOB);
    const payload = (await first.payloads()).get(id);
    await using results = await scriptedResults({
      [`/internal/v1/jobs/${jobId}/payload`]: { jobId, state: 'failed', attempts: 1, payload },
    });
    await using app = await startApp({ resultsUrl: results.url });
    const job = `${app.prefix}:default:${jobId}`;
    await app.valkey.hset(app.keys.queues, 'default', '{"pool":"default","requires":{}}');
    await app.valkey.hset(job, 'data', JSON.stringify(payload));
    await app.valkey.set(`${job}:lock`, 'node:token');
    const answer = app.post(`/v1/jobs/${jobId}/retry`, '');
    await app.valkey.multi().del(`${job}:lock`, job).exec();
    expect((await answer).status).toBe(202);
    expect((await app.payloads()).get(jobId)).toMatchObject({ attemptBase: 1 });

    await app.valkey.set(`${job}:lock`, 'node:token');
    const held = await app.post(`/v1/jobs/${jobId}/retry`, '');
    expect([held.status, held.headers.get('retry-after')]).toEqual([503, '1']);
  });

  it('is for ended jobs alone', async () => {
    await using app = await startApp();
    const { id } = await submit(app, JOB);
    expect((await app.post(`/v1/jobs/${id}/retry`, '')).status).toBe(409);
  });
});
