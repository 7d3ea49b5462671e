import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { jobIdForLine, problem } from '@cronium/contracts';
import { describe, expect, it } from 'vitest';
import { accepted, cutOff, jobs, NDJSON, ndjson } from '../test/batches.ts';
import { JOB, startApp } from '../test/harness.ts';
import { scriptedResults } from '../test/scripted-results.ts';

describe('a JSON batch', () => {
  it('merges its defaults under each job', async () => {
    await using app = await startApp();
    const document = {
      name: 'with defaults',
      defaults: {
        type: 'script',
        script: { language: 'bash' },
        env: { A: '1', B: '2' },
        pool: 'a',
        secrets: ['X'],
      },
      jobs: [
        { script: { source: 'echo 1' } },
        { script: { source: 'echo 2' }, env: { B: '3' }, secrets: [], pool: 'a' },
        { env: 7 },
      ],
    };
    const batch = await accepted(await app.post('/v1/batches', document));
    expect(batch).toMatchObject({ accepted: 2, rejectedTotal: 1, rejected: [{ line: 3 }] });
    const specs = [...(await app.payloads('a')).values()].map(({ spec: { env, secrets } }) => ({
      env,
      secrets,
    }));
    expect(specs).toEqual([
      { env: { A: '1', B: '2' }, secrets: ['X'] },
      { env: { A: '1', B: '3' }, secrets: [] },
    ]);
    expect((await app.events())[0]).toMatchObject({ name: 'with defaults' });
  });

  it.each([
    ['an empty body', '', 400],
    ['a list', '[]', 422],
    ['no jobs', '{}', 422],
    ['an empty list of jobs', '{"jobs":[]}', 400],
    ['an unknown field', '{"jobs":[],"job":1}', 422],
    ['a million levels', `{"jobs":${'['.repeat(1e6)}`, 400],
  ])('of %s is refused', async (_, body, status) => {
    await using app = await startApp();
    expect((await app.post('/v1/batches', body)).status).toBe(status);
    expect(await app.events()).toEqual([]);
  });

  it('larger than its limit is refused', async () => {
    await using app = await startApp({ limits: { jsonBatchBytes: 1000 } });
    expect((await app.post('/v1/batches', { jobs: jobs(100) })).status).toBe(413);
  });

  it('waits its turn when large bodies fill the memory', async () => {
    await using app = await startApp({ limits: { bufferedBytes: 1000 } });
    const response = await app.post('/v1/batches', { jobs: jobs(100) });
    expect([response.status, response.headers.get('retry-after')]).toEqual([429, '2']);
  });
});

describe('an atomic batch', () => {
  const spools = () => readdirSync(tmpdir()).filter((name) => name.startsWith('cronium-batch-'));

  it('with a bad line leaves nothing behind', async () => {
    await using app = await startApp({ limits: { chunkJobs: 10 } });
    const before = spools();
    const response = await app.lines([...jobs(100), 'nope'], { query: '?atomic=true' });
    expect(response.status).toBe(422);
    expect(problem.parse(await response.json())).toMatchObject({
      accepted: 0,
      rejectedTotal: 1,
      rejected: [{ line: 101 }],
    });
    expect([await app.events(), (await app.payloads()).size, spools()]).toEqual([[], 0, before]);
  });

  it('that is cut off leaves nothing behind', async () => {
    await using app = await startApp({ limits: { chunkJobs: 10 } });
    const before = spools();
    expect((await app.post('/v1/batches?atomic=true', cutOff(ndjson(jobs(50)), '{'), NDJSON)).status).toBe(
      400,
    );
    expect([await app.events(), spools()]).toEqual([[], before]);
  });

  it('of good lines is accepted whole', async () => {
    await using app = await startApp({ limits: { chunkJobs: 100 } });
    const batch = await accepted(await app.lines(jobs(1050), { query: '?atomic=true' }));
    expect(batch).toMatchObject({ accepted: 1050, rejectedTotal: 0 });
    const payloads = await app.payloads();
    expect([...payloads].every(([id, { line }]) => id === jobIdForLine(batch.batchId, line ?? 0))).toBe(true);
    expect([...payloads.values()].map(({ spec }) => spec.name)).toEqual(jobs(1050).map(({ name }) => name));
  });

  it('may be a JSON document', async () => {
    await using app = await startApp();
    expect((await app.post('/v1/batches?atomic=true', { jobs: [JOB, {}] })).status).toBe(422);
    expect(await accepted(await app.post('/v1/batches?atomic=true', { jobs: [JOB, JOB] }))).toMatchObject({
      accepted: 2,
    });
  });
});

describe('cancel and retry of a batch', () => {
  it('leaves a wish for all its jobs', async () => {
    await using app = await startApp();
    const { batchId } = await accepted(await app.lines(jobs(2)));
    const response = await app.post(`/v1/batches/${batchId}/cancel`, '');
    expect([response.status, await response.json()]).toEqual([202, { batchId, cancelling: true }]);
    expect(JSON.parse((await app.valkey.get(app.keys.cancelBatch(batchId))) ?? '')).toEqual({
      by: 'tests',
      reason: 'its batch was cancelled',
      at: expect.any(Number),
    });
    expect((await app.events()).at(-1)).toEqual({
      type: 'cancel-batch',
      batchId,
      tenant: 'default',
      by: 'tests',
      at: expect.any(Number),
    });
  });

  it('is not for the batch of another tenant, or of nobody', async () => {
    await using results = await scriptedResults({});
    await using app = await startApp({ resultsUrl: results.url });
    const { batchId } = await accepted(await app.lines(jobs(2)));
    await app.valkey.set(app.keys.batch(batchId), 'others');
    expect((await app.post(`/v1/batches/${batchId}/cancel`, '')).status).toBe(404);
    expect((await app.post('/v1/batches/batch_aaaaaaaaaaaa/cancel', '')).status).toBe(404);
    expect((await app.post('/v1/batches/batch_a/retry', '')).status).toBe(404);
  });

  it('runs the jobs again that ended in a state', async () => {
    const batchId = 'batch_aaaaaaaaaaaa';
    const payload = {
      v: 1,
      spec: JOB,
      tenant: 'default',
      batchId,
      traceId: 'a'.repeat(32),
      receivedAt: 1,
      acceptedAt: 1,
    };
    const ended = Array.from({ length: 1200 }, (_, i) => ({
      jobId: jobIdForLine(batchId, i + 1),
      state: 'timed_out',
      attempts: 2,
      payload,
    }));
    await using results = await scriptedResults({
      [`/v1/batches/${batchId}`]: {},
      [`/internal/v1/batches/${batchId}/payloads?state=timed_out`]: ndjson(ended),
    });
    await using app = await startApp({ resultsUrl: results.url });
    const response = await app.post(`/v1/batches/${batchId}/retry?state=timed_out`, '');
    expect([response.status, await response.json()]).toEqual([202, { batchId, retried: 1200 }]);
    const payloads = await app.payloads();
    expect(payloads.size).toBe(1200);
    expect([...payloads.values()].every(({ attemptBase }) => attemptBase === 2)).toBe(true);
    expect((await app.events()).filter(({ type }) => type === 'retried')).toHaveLength(1200);
    expect((await app.post(`/v1/batches/${batchId}/retry?state=running`, '')).status).toBe(400);
  });
});
