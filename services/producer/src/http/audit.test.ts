import { acceptedBatch, acceptedJob } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { JOB, startApp } from '../test/harness.ts';

test('what a key does is told to the audit log, once for each deed', async () => {
  await using app = await startApp();
  const { id } = acceptedJob.parse(await (await app.post('/v1/jobs', JOB)).json());
  await app.post(`/v1/jobs/${id}/cancel`, {});
  const lines = await app.lines([JOB, JOB], { query: '?name=nightly' });
  const batch = acceptedBatch.parse(await lines.json());
  await app.post(`/v1/batches/${batch.batchId}/cancel`, {});
  await app.post('/v1/queues/default/pause', {});
  await app.post('/v1/queues/default/resume', {});
  const deeds = await app.deeds();
  expect(deeds.map(({ action, target, detail }) => [action, target, detail])).toEqual([
    ['job.submit', id, undefined],
    ['job.cancel', id, undefined],
    ['batch.submit', batch.batchId, 'nightly'],
    ['batch.cancel', batch.batchId, undefined],
    ['pool.pause', 'default', undefined],
    ['pool.resume', 'default', undefined],
  ]);
  expect(deeds[0]).toMatchObject({ tenant: 'default', actor: 'key:tests' });
  expect(new Set(deeds.map((deed) => deed.id)).size).toBe(6);
});

test('a repeat with the same Idempotency-Key and a refused job are no deeds', async () => {
  await using app = await startApp();
  const key = { 'idempotency-key': 'k' };
  await app.post('/v1/jobs', JOB, key);
  await app.post('/v1/jobs', JOB, key);
  await app.lines([JOB], { headers: { 'idempotency-key': 'b' } });
  await app.lines([JOB], { headers: { 'idempotency-key': 'b' } });
  await app.post('/v1/jobs', { type: 'nonsense' });
  expect((await app.deeds()).map(({ action }) => action)).toEqual(['job.submit', 'batch.submit']);
});
