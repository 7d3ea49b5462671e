import { newBatchId, newJobId } from '@cronium/contracts';
import { createTestDatabase } from '@cronium/testing';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openDatabase } from '../db/database.ts';
import { migrate } from '../db/migrate.ts';
import { ingestAttempts } from '../ingest/attempts.ts';
import { newJob } from '../ingest/payload.ts';
import { migrations } from '../migrations/index.ts';
import { failureOf, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { openService, type TestService } from '../test/service.ts';
import { batchNumbers } from './batches-read.ts';
import { insertJobs, markCancelled, markRetried } from './jobs-write.ts';
import { foldTallies, talliesOfBatches, talliesOfTime } from './tallies.ts';
import { Tallies } from './tally-counts.ts';

const HOUR_MS = 3_600_000;

/** States of a batch's jobs, counted one by one. */
async function countedStates({ deps: { db } }: TestService, batchId: string): Promise<Map<string, number>> {
  const { rows } = await sql<{ state: string; n: number }>`
    SELECT state, count(*) AS n FROM jobs WHERE batch_id = ${batchId} GROUP BY state`.execute(db);
  return new Map(rows.map(({ state, n }) => [state, n]));
}

test('whatever becomes of jobs, the tallies are what counting them gives, folded or not', async () => {
  await using service = await openService();
  const { db } = service.deps;
  const batchId = newBatchId();
  const now = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const ids = Array.from({ length: 12 }, newJobId);
  const payload = (index: number) =>
    payloadOf(ids[index] ?? '', { batchId, line: index + 1, acceptedAt: now });
  const check = async () => {
    const { counts } = (await batchNumbers(db, [batchId])).get(batchId) ?? {};
    expect(counts).toEqual(await countedStates(service, batchId));
  };
  const steps: (() => Promise<unknown>)[] = [
    () =>
      ingestAttempts(
        db,
        ids.map((id, index) => updateOf(id, 1, { payload: payload(index), state: 'queued' })),
      ),
    ...[0, 1, 2, 3].map((index) => () => ingestAttempts(db, successOf(ids[index] ?? '', 1, payload(index)))),
    ...[4, 5, 6].map(
      (index) => () => ingestAttempts(db, [failureOf(ids[index] ?? '', 1, { payload: payload(index) })]),
    ),
    () => markCancelled(db, ids.slice(7, 9), { by: 'someone', atMs: now + 5 }),
    () => markRetried(db, ids[4] ?? '', { ...payload(4), acceptedAt: now + 9, attemptBase: 1 } as never),
    () => sql`DELETE FROM jobs WHERE id = ${ids[5] ?? ''}`.execute(db),
  ];
  for (const [index, step] of steps.entries()) {
    await step();
    await check();
    if (index % 2 === 0) await foldTallies(db, now);
    await check();
  }
  const left = await sql<{ n: number }>`SELECT count(*) AS n FROM tallies
    LEFT JOIN LATERAL json_each_text(counts::json) ON true WHERE value IS NULL OR value::bigint <= 0`.execute(
    db,
  );
  expect(left.rows).toEqual([{ n: 0 }]);
  const hour = await talliesOfTime(db, {
    ...{ tenant: 'default', fromMs: now - HOUR_MS, toMs: now + HOUR_MS, bucketMs: 60_000 },
  });
  const all = new Tallies();
  for (const slice of hour.values()) all.add(slice);
  const sum = (kind: string) => all.of(kind);
  expect([sum('ended:succeeded'), sum('ended:failed'), sum('ended:cancelled'), sum('accepted')]).toEqual([
    4, 1, 2, 11,
  ]);
  expect(sum('cause:failed:exit')).toBe(1);
});

test('a quantile of steps is within 2.5 % of the time itself', () => {
  const step = (ms: number) => `run:${Math.floor(Math.log(Math.max(1, ms)) / Math.log(1.05))}`;
  const tallies = new Tallies();
  tallies.addObject(JSON.stringify({ [step(100)]: 90, [step(60_000)]: 2, 'start:3': 7 }));
  tallies.addObject(JSON.stringify({ [step(100)]: 8, [step(5)]: 0 }));
  expect(Math.abs((tallies.run.quantile(0.5) ?? 0) / 100 - 1)).toBeLessThan(0.026);
  expect(Math.abs((tallies.run.quantile(0.99) ?? 0) / 60_000 - 1)).toBeLessThan(0.026);
  expect(new Tallies().run.quantile(0.5)).toBeNull();
});

test('sums that were stored one by one stay what they are when they are gathered', async () => {
  await using database = await createTestDatabase();
  const former = Object.entries(migrations).filter(([name]) => name < '2026-11-25');
  await migrate(database.url, Object.fromEntries(former));
  await using db = openDatabase({ url: database.url, connections: 2 });
  await sql`INSERT INTO tallies (scope, level, slice, what, n, low, high) VALUES
    ('batch_a', 0, 0, 'state:failed', 3, 5, 9), ('batch_a', 0, 0, 'state:succeeded', 2, 4, 7), ('batch_a', 0, 0, 'run:90', 5, NULL, NULL),
    ('batch_a', 0, 0, 'state:running', 0, NULL, NULL), ('batch_b', 0, 0, 'state:queued', 1, NULL, NULL),
    ('default', 10800, 4, 'cause:failed:"odd"', 6, NULL, NULL)`.execute(db);
  await migrate(database.url);
  const [a, b] = [...(await talliesOfBatches(db, ['batch_a', 'batch_b'])).values()];
  expect([a?.tallies.allOf('state'), a?.tallies.run.quantile(0.5), a?.low, a?.high]).toEqual([
    new Map([
      ['failed', 3],
      ['succeeded', 2],
    ]),
    expect.closeTo(1.05 ** 90.5, 0),
    4,
    9,
  ]);
  expect([b?.tallies.allOf('state'), b?.low]).toEqual([new Map([['queued', 1]]), null]);
  const window = { tenant: 'default', fromMs: 0, toMs: 108_000_000, bucketMs: 10_800_000 };
  const slices = await talliesOfTime(db, window);
  expect([...slices].map(([bucket, one]) => [bucket, one.of('cause:failed:"odd"')])).toEqual([[4, 6]]);
});

test.each([['before sums knew of them'], ['now']])(
  'jobs that never ran are no part of how long jobs ran: those that ended %s',
  async (when) => {
    await using database = await createTestDatabase();
    const former = Object.entries(migrations).filter(([name]) => name < '2026-11-27');
    if (when !== 'now') await migrate(database.url, Object.fromEntries(former));
    else await migrate(database.url);
    await using db = openDatabase({ url: database.url, connections: 2 });
    const batchId = newBatchId();
    const acceptedAt = Date.now();
    const ids = Array.from({ length: 9 }, newJobId);
    const payload = (index: number) => payloadOf(ids[index] ?? '', { batchId, line: index + 1, acceptedAt });
    await insertJobs(
      db,
      ids.map((id, index) => newJob(id, payload(index))),
    );
    for (const index of [0, 1]) await ingestAttempts(db, successOf(ids[index] ?? '', 1, payload(index)));
    await markCancelled(db, ids.slice(2), { by: 'someone', atMs: acceptedAt + 5 });
    await migrate(database.url);
    while (await foldTallies(db, acceptedAt));
    const { run } = (await batchNumbers(db, [batchId])).get(batchId) ?? {};
    expect([run?.quantile(0.01), run?.quantile(0.99)]).toEqual([
      expect.closeTo(200, -1),
      expect.closeTo(200, -1),
    ]);
    const window = { fromMs: acceptedAt - HOUR_MS, toMs: acceptedAt + HOUR_MS, bucketMs: 60_000 };
    const all = new Tallies();
    for (const slice of (await talliesOfTime(db, { tenant: 'default', ...window })).values()) all.add(slice);
    expect([all.run.quantile(0.01), all.start.quantile(0.01)]).toEqual([
      expect.closeTo(200, -1),
      expect.closeTo(1100, -2),
    ]);
  },
);
