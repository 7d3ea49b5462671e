import {
  type BatchFailures,
  type LogMatches,
  newBatchId,
  newJobId,
  type OverviewView,
} from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ingestAttempts } from '../ingest/attempts.ts';
import { ingestLogs } from '../ingest/logs.ts';
import { chunksOf, failureOf, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type TestService } from '../test/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service[Symbol.asyncDispose]());

const get = <T>(path: string) => bodyOf<T>(service.get(path));

test('the overview sums up ends, times and causes of the asked time', async () => {
  await using own = await openService();
  const at = Date.now() - 60_000;
  const accepted = (id: string, acceptedAt: number) =>
    payloadOf(id, { acceptedAt, receivedAt: acceptedAt - 5 });
  const [good, bad, old] = [newJobId(), newJobId(), newJobId()];
  await ingestAttempts(own.deps.db, successOf(good, 1, accepted(good, at)));
  await ingestAttempts(own.deps.db, [failureOf(bad, 1, { payload: accepted(bad, at) })]);
  await ingestAttempts(own.deps.db, successOf(old, 1, accepted(old, at - 3 * 3_600_000)));
  const view = await bodyOf<OverviewView>(own.get('/v1/overview?minutes=60'));
  expect(view.totals).toMatchObject({
    accepted: 2,
    ended: { succeeded: 1, failed: 1, timed_out: 0, cancelled: 0, lost: 0 },
  });
  // Jobs that ran for 10 and 200 ms and waited for 1010 and 1100 ms, each within 2.5 %.
  const { run, start } = view.totals;
  for (const [shown, real] of [
    [run.p50, 10],
    [run.p95, 200],
    [start.p50, 1010],
    [start.p95, 1100],
  ] as const) {
    expect(Math.abs((shown ?? 0) / real - 1)).toBeLessThan(0.026);
  }
  expect(view.causes).toEqual([{ state: 'failed', cause: 'exit', jobs: 1 }]);
  expect(view.now).toMatchObject({ waiting: 0, slots: 4, nodes: { ready: 1, total: 1 } });
  const counted = view.buckets.reduce((sum, { ended }) => sum + ended.succeeded + ended.failed, 0);
  expect([counted, view.buckets.length * view.bucketMs]).toEqual([2, view.to - view.from]);
  const long = await bodyOf<OverviewView>(own.get('/v1/overview?minutes=600'));
  expect(long.totals.ended.succeeded).toBe(2);
  expect((await own.get('/v1/overview?minutes=0')).status).toBe(400);
});

test('what waited at each time follows from what waits now', async () => {
  await using own = await openService();
  const ids = [newJobId(), newJobId(), newJobId()];
  const acceptedAt = Date.now() - 20 * 60_000;
  for (const id of ids) await own.fleet.submit(id, payloadOf(id, { acceptedAt }));
  await ingestAttempts(
    own.deps.db,
    ids.map((id) => updateOf(id, 1, { payload: payloadOf(id, { acceptedAt }), state: 'queued' })),
  );
  const { buckets } = await bodyOf<OverviewView>(own.get('/v1/overview?minutes=60'));
  const at = (ms: number) => buckets.findLast((bucket) => bucket.at <= ms)?.waiting;
  expect([at(acceptedAt - 5 * 60_000), at(acceptedAt + 5 * 60_000), at(Date.now())]).toEqual([0, 3, 3]);
});

test('a batch’s failures are grouped by what ended them', async () => {
  const batchId = newBatchId();
  const batch = { tenant: 'default', accepted: 4, rejected: 0, complete: true, at: Date.now() };
  service.start();
  await service.fleet.announce({ type: 'batch', batchId, ...batch });
  const ids = [newJobId(), newJobId(), newJobId()];
  for (const [index, id] of ids.entries()) {
    await ingestAttempts(service.deps.db, [
      failureOf(id, 1, { payload: payloadOf(id, { batchId, line: index + 1 }) }),
    ]);
  }
  const good = newJobId();
  await ingestAttempts(service.deps.db, successOf(good, 1, payloadOf(good, { batchId, line: 4 })));
  await eventually(async () => (await service.get(`/v1/batches/${batchId}`)).status === 200, {
    what: 'the batch is known',
  });
  const { groups } = await get<BatchFailures>(`/v1/batches/${batchId}/failures`);
  expect(groups).toEqual([
    expect.objectContaining({
      state: 'failed',
      cause: 'exit',
      exitCode: 3,
      jobs: 3,
      message: 'It exited with 3.',
    }),
  ]);
  expect(groups[0]?.examples.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
});

test('a part of a log is read by line numbers; a search tells the lines as runs', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [updateOf(id, 1, { state: 'running' })]);
  const lines = Array.from({ length: 50 }, (_, index) => ({
    stream: index % 10 < 5 ? ('stdout' as const) : ('stderr' as const),
    time: index,
    bytes: Buffer.from(index === 30 ? 'An \u001b[31mERR\u001b[0mor here' : `line ${index + 1}`),
    newline: true,
  }));
  await ingestLogs(service.deps, chunksOf(`${id}.1`, lines, { each: 7 }));
  const part = await service.get(`/v1/jobs/${id}/logs?after=12&limit=3`, { accept: 'application/x-ndjson' });
  const seqs = (await part.text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).seq);
  expect(seqs).toEqual([13, 14, 15]);
  const matches = (query: string) => get<LogMatches>(`/v1/jobs/${id}/logs/matches?${query}`);
  expect(await matches('text=error')).toEqual({ runs: [[31, 31]], searched: 50, complete: true });
  expect((await matches('stream=stderr')).runs).toEqual([
    [6, 10],
    [16, 20],
    [26, 30],
    [36, 40],
    [46, 50],
  ]);
  expect((await matches('stream=stderr&after=44')).runs).toEqual([[46, 50]]);
});
