import { problem } from '@cronium/contracts';
import { hashApiKey } from '@cronium/http';
import { describe, expect, it } from 'vitest';
import { JOB, startApp, type TestApp } from './test/harness.ts';

async function store(app: TestApp, key: string, record: object): Promise<void> {
  await app.valkey.hset(app.keys.apiKeys, hashApiKey(key), JSON.stringify(record));
}

describe('an API key', () => {
  it.each([
    ['is missing', '', /needs an API key/],
    ['has another form', 'Basic abc', /another form/],
    ['is wrong', 'Bearer wrong', /not known/],
  ])('that %s is answered with what to send', async (_, authorization, says) => {
    await using app = await startApp();
    const response = await app.post('/v1/jobs', JOB, { authorization });
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="cronium"',
    ]);
    const { detail } = problem.parse(await response.json());
    expect(detail).toMatch(says);
    expect(detail).toContain('"Authorization: Bearer <api key>"');
  });

  it('is not asked for by what every service answers', async () => {
    await using app = await startApp();
    for (const path of ['/health', '/ready', '/metrics', '/openapi.json', '/docs']) {
      expect((await app.request(path, { headers: { authorization: 'Bearer wrong' } })).status, path).toBe(
        200,
      );
    }
    expect((await app.request('/v1/nothing', { headers: { authorization: 'Bearer wrong' } })).status).toBe(
      401,
    );
  });

  it('that was stored belongs to its tenant', async () => {
    await using app = await startApp();
    await store(app, 'k2', { name: 'team', tenant: 'blue', role: 'submitter' });
    expect((await app.post('/v1/jobs', JOB, { authorization: 'Bearer k2' })).status).toBe(202);
    const [[id, payload] = []] = [...(await app.payloads())];
    expect(payload?.tenant).toBe('blue');
    expect((await app.post(`/v1/jobs/${id}/cancel`, '', { authorization: 'Bearer k2' })).status).toBe(202);
    // The tests' own key is of another tenant: it is asked of results whether that one has the job.
    expect((await app.post(`/v1/jobs/${id}/cancel`, '')).status).toBe(503);
  });

  it('of a reader may look and do nothing', async () => {
    await using app = await startApp();
    await store(app, 'k3', { name: 'screen', tenant: 'default', role: 'reader' });
    const authorization = 'Bearer k3';
    expect((await app.request('/v1/queues', { headers: { authorization } })).status).toBe(200);
    const response = await app.post('/v1/jobs', JOB, { authorization });
    expect([response.status, problem.parse(await response.json()).detail]).toEqual([
      403,
      expect.stringMatching(/"screen" has the role reader/),
    ]);
  });
});
