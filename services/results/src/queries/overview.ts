import { TERMINAL_STATES } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Which time to sum up, in slices. */
export interface OverviewWindow {
  readonly tenant: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
}

/** Ended jobs of a slice; `bucket` is null in the row for the whole time. */
export interface EndedSlice {
  readonly bucket: number | null;
  readonly succeeded: number;
  readonly failed: number;
  readonly timed_out: number;
  readonly cancelled: number;
  readonly lost: number;
  readonly start: readonly [number | null, number | null] | null;
  readonly run: readonly [number | null, number | null] | null;
}

/** How the jobs of a tenant ended, by slice and in all. */
export async function endedSlices(db: Kysely<Database>, window: OverviewWindow): Promise<EndedSlice[]> {
  const { tenant, fromMs, toMs, bucketMs } = window;
  const { rows } = await sql<EndedSlice>`
    SELECT bucket,
      count(*) FILTER (WHERE state = 'succeeded') AS succeeded, count(*) FILTER (WHERE state = 'failed') AS failed,
      count(*) FILTER (WHERE state = 'timed_out') AS timed_out, count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
      count(*) FILTER (WHERE state = 'lost') AS lost,
      percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY wait_ms) AS start,
      percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY run_ms) AS run
    FROM (
      SELECT state, run_ms, greatest(0, started_ms - stay_ms) AS wait_ms,
        floor((ended_ms - ${fromMs}::double precision) / ${bucketMs}::double precision)::integer AS bucket
      FROM jobs
      WHERE tenant = ${tenant} AND ended_ms >= ${fromMs} AND ended_ms < ${toMs}
        AND state = ANY(${[...TERMINAL_STATES]}::text[])
    ) ended
    GROUP BY GROUPING SETS ((bucket), ())`.execute(db);
  return rows;
}

/** Jobs of a slice that came into the queue and that left it. */
export interface QueueSlice {
  readonly bucket: number;
  readonly accepted: number;
  readonly taken: number;
}

/** How jobs came and went, by slice. A job leaves the queue when it starts or, unstarted, ends. */
export async function queueSlices(db: Kysely<Database>, window: OverviewWindow): Promise<QueueSlice[]> {
  const { tenant, fromMs, toMs, bucketMs } = window;
  const bucket = (ms: ReturnType<typeof sql.ref>) =>
    sql`floor((${ms} - ${fromMs}::double precision) / ${bucketMs}::double precision)::integer`;
  const { rows } = await sql<QueueSlice>`
    SELECT bucket, sum(accepted)::integer AS accepted, sum(taken)::integer AS taken FROM (
      SELECT ${bucket(sql.ref('accepted_ms'))} AS bucket, count(*) AS accepted, 0 AS taken FROM jobs
      WHERE tenant = ${tenant} AND accepted_ms >= ${fromMs} AND accepted_ms < ${toMs} GROUP BY 1
      UNION ALL
      SELECT ${bucket(sql.ref('left_ms'))}, 0, count(*) FROM (
        SELECT coalesce(started_ms, ended_ms) AS left_ms FROM jobs
        WHERE tenant = ${tenant} AND ended_ms >= ${fromMs} AND ended_ms < ${toMs}
        UNION ALL
        SELECT started_ms FROM jobs
        WHERE tenant = ${tenant} AND state IN ('claimed', 'preparing', 'running', 'draining')
      ) gone WHERE left_ms >= ${fromMs} AND left_ms < ${toMs} GROUP BY 1
    ) slices GROUP BY bucket`.execute(db);
  return rows;
}

/** What jobs of the time ended of, if not well; the most frequent first. */
export async function failureCauses(
  db: Kysely<Database>,
  { tenant, fromMs, toMs }: OverviewWindow,
): Promise<{ state: string; cause: string | null; jobs: number }[]> {
  return await db
    .selectFrom('jobs')
    .select((eb) => ['state', 'cause', eb.fn.countAll<number>().as('jobs')])
    .where('tenant', '=', tenant)
    .where('ended_ms', '>=', fromMs)
    .where('ended_ms', '<', toMs)
    .where('state', 'in', ['failed', 'timed_out', 'lost'])
    .groupBy(['state', 'cause'])
    .orderBy('jobs', 'desc')
    .limit(12)
    .execute();
}
