import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

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

/** How many of each kind there are: `state:failed`, `run:42` (a step of {@link Steps}), … */
export type Tallies = Readonly<Record<string, number>>;

/** What a batch's jobs come to. */
export interface BatchTallies {
  readonly scope: string;
  readonly counts: Tallies;
  /** The first start and the last end. */
  readonly low: number | null;
  readonly high: number | null;
}

/** What a tenant's jobs come to in a slice of a time, by its number from 0. */
export interface SliceTallies {
  readonly bucket: number;
  readonly counts: Tallies;
}

/** The sum of several. */
export function addTallies(all: readonly Tallies[]): Tallies {
  const sum: Record<string, number> = {};
  for (const one of all) {
    for (const [what, n] of Object.entries(one)) sum[what] = (sum[what] ?? 0) + n;
  }
  return sum;
}

/** How often a time was of each step. A step is 5 % longer than the one before; see the migration's `tally_step`. */
export class Steps {
  readonly #counts: readonly (readonly [step: number, n: number])[];
  readonly #total: number;

  private constructor(counts: readonly (readonly [number, number])[]) {
    this.#counts = counts.toSorted(([a], [b]) => a - b);
    this.#total = counts.reduce((sum, [, n]) => sum + n, 0);
  }

  /** Those of one kind. */
  static of(kind: 'run' | 'start', tallies: Tallies): Steps {
    const own = Object.entries(tallies).filter(([what]) => what.startsWith(`${kind}:`));
    return new Steps(own.map(([what, n]) => [Number(what.slice(kind.length + 1)), n]));
  }

  /** The time within which the share lies, give or take 2.5 %; null when there is none. */
  quantile(share: number): number | null {
    let left = share * this.#total;
    for (const [step, n] of this.#counts) {
      left -= n;
      if (left <= 0) return Math.round(1.05 ** (step + 0.5) * 10) / 10;
    }
    return null;
  }
}

/** What the jobs of batches come to. Exact at any moment: what is not folded in yet is added. */
export async function talliesOfBatches(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<BatchTallies[]> {
  const { rows } = await sql<BatchTallies>`
    SELECT scope, json_object_agg(what, n) AS counts, min(low) AS low, max(high) AS high FROM (
      SELECT scope, what, sum(n) AS n, min(low) AS low, max(high) AS high FROM (
      SELECT scope, what, n, low, high FROM tallies WHERE scope = ANY(${ids}::text[]) AND level = 0
      UNION ALL
      SELECT scope, what, n, low, high FROM tally_changes WHERE scope = ANY(${ids}::text[]) AND at_ms IS NULL
    ) told GROUP BY scope, what HAVING sum(n) > 0) summed GROUP BY scope`.execute(db);
  return rows;
}

/** A time of a tenant in slices whose length and beginning a level of slices fits into. */
export interface TallyWindow {
  readonly tenant: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
}

/** What a tenant's jobs come to in each slice of a time. */
export async function talliesOfTime(db: Kysely<Database>, window: TallyWindow): Promise<SliceTallies[]> {
  const { tenant, fromMs, toMs, bucketMs } = window;
  const level = LEVELS.find(({ seconds }) => bucketMs % (seconds * 1000) === 0)?.seconds;
  if (level === undefined) throw new RangeError(`no level of slices fits into ${bucketMs} ms`);
  const levelMs = level * 1000;
  const { rows } = await sql<SliceTallies>`
    SELECT bucket, json_object_agg(what, n) AS counts FROM (
    SELECT floor((at_ms - ${fromMs}) / ${bucketMs}::double precision)::integer AS bucket, what, sum(n) AS n
    FROM (
      SELECT slice * ${levelMs}::double precision AS at_ms, what, n FROM tallies
      WHERE scope = ${tenant} AND level = ${level} AND slice >= ${Math.floor(fromMs / levelMs)} AND slice < ${Math.floor(toMs / levelMs)}
      UNION ALL
      SELECT at_ms, what, n FROM tally_changes WHERE scope = ${tenant} AND at_ms >= ${fromMs} AND at_ms < ${toMs}
    ) told GROUP BY 1, what HAVING sum(n) > 0) summed GROUP BY bucket`.execute(db);
  return rows;
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
    const folded = await sql<{ n: number }>`WITH gone AS (
        DELETE FROM tally_changes WHERE ctid = ANY(ARRAY(SELECT ctid FROM tally_changes LIMIT ${FOLDED_EACH})) RETURNING *
      ), placed AS (
        SELECT scope, 0 AS level, 0::bigint AS slice, what, n, low, high FROM gone WHERE at_ms IS NULL
        UNION ALL
        SELECT scope, seconds, floor(at_ms / 1000 / seconds)::bigint, what, n, low, high
        FROM gone, json_to_recordset(${levels}::json) AS l (seconds integer, first double precision) WHERE at_ms >= first
      ), put AS (
        INSERT INTO tallies AS t (scope, level, slice, what, n, low, high)
        SELECT scope, level, slice, what, sum(n), min(low), max(high) FROM placed GROUP BY scope, level, slice, what
        ON CONFLICT (scope, level, slice, what) DO UPDATE
          SET n = t.n + excluded.n, low = least(t.low, excluded.low), high = greatest(t.high, excluded.high)
      )
      SELECT count(*) AS n FROM gone`.execute(trx);
    await sql`DELETE FROM tallies WHERE n = 0`.execute(trx);
    return (folded.rows[0]?.n ?? 0) === FOLDED_EACH;
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
