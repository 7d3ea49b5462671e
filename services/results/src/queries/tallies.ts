import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';
import { Tallies } from './tally-counts.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * Lengths of slices in seconds, the longest first, and for how long slices of each are kept. Longer times are asked in
 * longer slices. The longest are kept until their jobs are deleted.
 */
const LEVELS = [
  { seconds: 10_800, keptMs: null },
  { seconds: 1800, keptMs: 96 * HOUR_MS },
  { seconds: 300, keptMs: 24 * HOUR_MS },
  { seconds: 60, keptMs: 4 * HOUR_MS },
  { seconds: 5, keptMs: HOUR_MS },
] as const;

/** What a batch's jobs come to. */
export interface BatchTallies {
  readonly tallies: Tallies;
  /** The first start and the last end. */
  readonly low: number | null;
  readonly high: number | null;
}

/** Counts that changes not folded in yet come to, as JSON; `of` names those of one group. */
const COUNTS = sql`tally_object(array_agg(what), array_agg(n))`;

/** What the jobs of batches come to, by the batches' ids. Exact at any moment: what is not folded in yet is added. */
export async function talliesOfBatches(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<Map<string, BatchTallies>> {
  const { rows } = await sql<{ scope: string; counts: string; low: number | null; high: number | null }>`
    SELECT scope, counts, low, high FROM tallies WHERE scope = ANY(${ids}::text[]) AND level = 0
    UNION ALL
    SELECT scope, ${COUNTS}, min(low), max(high) FROM (
      SELECT scope, what, sum(n)::bigint AS n, min(low) AS low, max(high) AS high
      FROM tally_changes WHERE scope = ANY(${ids}::text[]) AND at_ms IS NULL GROUP BY scope, what
    ) told GROUP BY scope`.execute(db);
  const all = new Map<string, BatchTallies>();
  for (const { scope, counts, low, high } of rows) {
    const known = all.get(scope) ?? { tallies: new Tallies(), low: null, high: null };
    known.tallies.addObject(counts);
    all.set(scope, {
      ...known,
      low: low === null ? known.low : Math.min(low, known.low ?? low),
      high: high === null ? known.high : Math.max(high, known.high ?? high),
    });
  }
  return all;
}

/** A time of a tenant in slices whose length and beginning a level of slices fits into. */
export interface TallyWindow {
  readonly tenant: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
}

/** What a tenant's jobs come to in each slice of a time, by the slices' numbers from 0. */
export async function talliesOfTime(
  db: Kysely<Database>,
  window: TallyWindow,
): Promise<Map<number, Tallies>> {
  const { tenant, fromMs, toMs, bucketMs } = window;
  const level = LEVELS.find(({ seconds }) => bucketMs % (seconds * 1000) === 0)?.seconds;
  if (level === undefined) throw new RangeError(`no level of slices fits into ${bucketMs} ms`);
  const levelMs = level * 1000;
  const { rows } = await sql<{ slice: number; counts: string }>`
    SELECT slice, counts FROM tallies
    WHERE scope = ${tenant} AND level = ${level} AND slice >= ${Math.floor(fromMs / levelMs)} AND slice < ${Math.floor(toMs / levelMs)}
    UNION ALL
    SELECT slice, ${COUNTS} FROM (
      SELECT floor(at_ms / ${levelMs}::double precision)::bigint AS slice, what, sum(n)::bigint AS n
      FROM tally_changes WHERE scope = ${tenant} AND at_ms >= ${fromMs} AND at_ms < ${toMs} GROUP BY 1, 2
    ) told GROUP BY slice`.execute(db);
  const all = new Map<number, Tallies>();
  for (const { slice, counts } of rows) {
    const bucket = Math.floor((slice * levelMs - fromMs) / bucketMs);
    const tallies = all.get(bucket) ?? new Tallies();
    tallies.addObject(counts);
    all.set(bucket, tallies);
  }
  return all;
}

/** A statement has to end in time, also when much was written while no process ran. */
const FOLDED_EACH = 50_000;

/**
 * Adds some changes up, so that there stay few. One process does it at a time; a reader sees the sum before or after.
 * @returns whether there may be more
 */
export async function foldTallies(db: Kysely<Database>, nowMs: number): Promise<boolean> {
  return await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ mine: boolean }>`
      SELECT pg_try_advisory_xact_lock(hashtext('cronium:tallies')) AS mine`.execute(trx);
    if (rows[0]?.mine !== true) return false;
    const levels = JSON.stringify(
      LEVELS.map(({ seconds, keptMs }) => ({ seconds, first: keptMs === null ? 0 : nowMs - keptMs })),
    );
    const folded = await sql<{ n: number; empty: string | null }>`WITH gone AS (
        DELETE FROM tally_changes WHERE ctid = ANY(ARRAY(SELECT ctid FROM tally_changes LIMIT ${FOLDED_EACH})) RETURNING *
      ), placed AS (
        SELECT scope, 0 AS level, 0::bigint AS slice, what, n, low, high FROM gone WHERE at_ms IS NULL
        UNION ALL
        SELECT scope, seconds, floor(at_ms / 1000 / seconds)::bigint, what, n, low, high
        FROM gone, json_to_recordset(${levels}::json) AS l (seconds integer, first double precision) WHERE at_ms >= first
      ), summed AS (
        SELECT scope, level, slice, what, sum(n)::bigint AS n, min(low) AS low, max(high) AS high
        FROM placed GROUP BY scope, level, slice, what
      ), put AS (
        INSERT INTO tallies AS t (scope, level, slice, counts, low, high)
        SELECT scope, level, slice, ${COUNTS}, min(low), max(high) FROM summed GROUP BY scope, level, slice
        ON CONFLICT (scope, level, slice) DO UPDATE SET counts = tally_sum(t.counts, excluded.counts),
          low = least(t.low, excluded.low), high = greatest(t.high, excluded.high)
        RETURNING scope, level, slice, counts
      )
      SELECT (SELECT count(*) FROM gone) AS n, (SELECT json_agg(put)::text FROM put WHERE counts = '{}') AS empty`.execute(
      trx,
    );
    const { n = 0, empty = null } = folded.rows[0] ?? {};
    if (empty !== null) {
      await sql`DELETE FROM tallies t
        USING json_to_recordset(${empty}::json) AS e (scope text, level integer, slice bigint)
        WHERE t.scope = e.scope AND t.level = e.level AND t.slice = e.slice AND t.counts = '{}'`.execute(trx);
    }
    return n === FOLDED_EACH;
  });
}

/** Deletes slices that nobody asks for any more. */
export async function dropOldTallies(db: Kysely<Database>, nowMs: number): Promise<void> {
  for (const { seconds, keptMs } of LEVELS) {
    if (keptMs === null) continue;
    const first = Math.floor((nowMs - keptMs) / 1000 / seconds);
    await sql`DELETE FROM tallies WHERE level = ${seconds} AND slice < ${first}`.execute(db);
  }
}
