import { newJobId } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import fc from 'fast-check';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { attemptsOf, getJob } from '../queries/jobs-read.ts';
import { markCancelled } from '../queries/jobs-write.ts';
import { failureOf, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { openService, type TestService } from '../test/service.ts';
import { ingestAttempts } from './attempts.ts';
import type { IngestUpdate } from './fold-updates.ts';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service[Symbol.asyncDispose]());

const ingest = (updates: readonly IngestUpdate[]) => ingestAttempts(service.deps.db, updates);
const stateOf = async (id: string) => (await getJob(service.deps.db, id))?.state;

/** All that is stored of a job, apart from the transaction that wrote it. */
async function storedOf(id: string) {
  const { db } = service.deps;
  return { job: await getJob(db, id), attempts: await attemptsOf(db, id) };
}

test('reports in any order, repeated and cut into any requests, store the same', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  const all = [
    updateOf(id, 1, { payload }),
    updateOf(id, 1, { payload, state: 'running' }),
    failureOf(id, 1, { final: false, payload }),
    ...successOf(id, 2, payload),
  ];
  await ingest(all);
  const expected = await storedOf(id);
  expect(expected.job?.state).toBe('succeeded');
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(all, { minLength: all.length }),
      fc.array(fc.integer({ min: 0, max: all.length - 1 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: 5 }),
      async (shuffled, repeats, each) => {
        await service.deps.db.deleteFrom('jobs').where('id', '=', id).execute();
        await service.deps.db.deleteFrom('attempts').where('job_id', '=', id).execute();
        const sent = [...shuffled, ...repeats.flatMap((index) => all[index] ?? [])];
        for (let at = 0; at < sent.length; at += each) await ingest(sent.slice(at, at + each));
        expect(await storedOf(id)).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});

test('many requests for the same jobs at once neither deadlock nor differ', async () => {
  const ids = Array.from({ length: 20 }, newJobId);
  const all = ids.map((id) => successOf(id));
  const requests = [0, 1, 2, 3, 4].flatMap((step) => {
    const round = all.flatMap((updates) => updates[step] ?? []);
    return [ingest(round), ingest(round.toReversed())];
  });
  await Promise.all(requests);
  for (const id of ids) expect(await stateOf(id)).toBe('succeeded');
});

test('a report that was read before another change of its job counts as one that came after it', async () => {
  const { db } = service.deps;
  const id = newJobId();
  await ingest([updateOf(id, 1, { state: 'queued' })]);
  const waits = () =>
    sql`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`.execute(
      db,
    );
  const told = await db.transaction().execute(async (trx) => {
    await markCancelled(trx, [id], { by: 'someone', atMs: Date.now() });
    const report = ingest([updateOf(id, 2)]);
    await eventually(async () => (await waits()).rows.length > 0, { what: 'the report waits for the job' });
    return { report };
  });
  expect(await told.report).toEqual([{ attemptId: `${id}.2`, result: 'ended' }]);
  const { job, attempts } = await storedOf(id);
  expect(job).toMatchObject({ state: 'cancelled', attempt: 1 });
  expect(attempts).toHaveLength(1);
});

test('an older attempt is told that it is stale and changes only its own row', async () => {
  const id = newJobId();
  await ingest([updateOf(id, 2, { state: 'running' })]);
  const [answer] = await ingest([failureOf(id, 1)]);
  expect(answer).toEqual({ attemptId: `${id}.1`, result: 'stale' });
  const { job, attempts } = await storedOf(id);
  expect(job).toMatchObject({ state: 'running', attempt: 2 });
  expect(attempts.map(({ state }) => state)).toEqual(['failed', 'running']);
});

test('an ended attempt that an older queue hands out again is not run: its second claim is told that the job has ended', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  await ingest(successOf(id, 1, payload));
  const before = await storedOf(id);
  const [again] = await ingest([
    updateOf(id, 1, { payload, timeline: [{ moment: 'claimed', at: Date.now() }] }),
  ]);
  expect(again?.result).toBe('ended');
  const [repeated] = await ingest(successOf(id, 1, payload).slice(-1));
  expect(repeated?.result).toBe('stored');
  expect((await storedOf(id)).job).toEqual(before.job);
});

test('an ended job stays as it ended; a claim of it is told so and leaves no row', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  await ingest(successOf(id, 1, payload));
  const [answer] = await ingest([updateOf(id, 2, { payload, lostAttempts: [1] })]);
  expect(answer?.result).toBe('ended');
  const { job, attempts } = await storedOf(id);
  expect(job).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(attempts.map(({ state }) => state)).toEqual(['succeeded']);
});

test('an attempt after a person’s retry takes an ended job over, before the event of the retry came', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  const first = successOf(id, 1, payload);
  await ingest(first);
  const again = { ...payload, acceptedAt: payload.acceptedAt + 60_000, attemptBase: 1 };
  const [answer] = await ingest([updateOf(id, 2, { payload: again })]);
  expect(answer?.result).toBe('stored');
  await ingest(first);
  expect(await storedOf(id)).toMatchObject({ job: { state: 'claimed', attempt: 2, ended_ms: null } });
});

test('a lost attempt gets a death record that names its node as the cause', async () => {
  const id = newJobId();
  await ingest([updateOf(id, 1, { state: 'running' })]);
  await ingest([updateOf(id, 3, { lostAttempts: [1, 2] })]);
  const { job, attempts } = await storedOf(id);
  expect(job).toMatchObject({ state: 'claimed', attempt: 3 });
  expect(attempts.map(({ state, inferred }) => [state, inferred])).toEqual([
    ['lost', true],
    ['lost', true],
    ['claimed', false],
  ]);
  const response = await service.get(`/v1/jobs/${id}/death?attempt=1`);
  expect(await response.json()).toMatchObject({ cause: 'node_lost', attempt: 1, phase: 'main' });
});

test("a lost attempt's own late word replaces what was concluded", async () => {
  const id = newJobId();
  await ingest([updateOf(id, 2, { lostAttempts: [1] })]);
  await ingest([failureOf(id, 1)]);
  const { attempts } = await storedOf(id);
  expect(attempts[0]).toMatchObject({ state: 'failed', inferred: false });
});

test('a success that is told after a newer attempt began does not count: one attempt succeeds', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  const first = successOf(id, 1, payload);
  await ingest(first.slice(0, 3));
  await ingest([updateOf(id, 2, { payload, lostAttempts: [1] })]);
  const [answer] = await ingest(first.slice(3));
  expect(answer?.result).toBe('stale');
  await ingest(successOf(id, 2, payload));
  await ingest(first);
  const { job, attempts } = await storedOf(id);
  expect(job).toMatchObject({ state: 'succeeded', attempt: 2 });
  expect(attempts.map(({ state }) => state)).toEqual(['lost', 'succeeded']);
  const response = await service.get(`/v1/jobs/${id}/death?attempt=1`);
  expect(await response.json()).toMatchObject({ cause: 'fenced', exitCode: 0, certainty: 'certain' });
});

test('an attempt that was put back unstarted is claimed again under its number', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  const claimedAt = (at: number) => [{ moment: 'claimed', at } as const];
  await ingest([updateOf(id, 1, { payload, timeline: claimedAt(5000) })]);
  await ingest([updateOf(id, 1, { payload, state: 'queued', timeline: claimedAt(5000) })]);
  expect(await stateOf(id)).toBe('queued');
  await ingest([updateOf(id, 1, { payload, state: 'preparing', timeline: claimedAt(6000) })]);
  expect(await stateOf(id)).toBe('preparing');
});

test('reports of foreign nodes, malformed and endless bodies are refused', async () => {
  const id = newJobId();
  const auth = await service.fleet.nodeAuth();
  const post = (body: unknown, headers = auth) =>
    service.send('POST', '/internal/v1/attempts', body, headers);
  expect((await post([updateOf(id, 1, { node: 'n2' })])).status).toBe(403);
  expect((await post([{ jobId: id }])).status).toBe(400);
  expect((await post(Buffer.from('{'))).status).toBe(400);
  expect((await post(Buffer.from('['.repeat(1_000_000)))).status).toBe(400);
  expect((await post([], {})).status).toBe(401);
  expect((await post([], { authorization: 'Bearer a.b.c' })).status).toBe(401);
  expect((await post([])).status).toBe(200);
});
