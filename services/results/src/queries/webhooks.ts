import { attemptIdOf } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import { pgText } from '../db/bulk.ts';
import type { Database, WebhookDeliveriesTable } from '../db/schema.ts';

/** Notes what the webhooks of ended jobs are to be told. In the transaction in which they ended. */
export async function putDeliveries(db: Kysely<Database>, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  const nowMs = Date.now();
  await sql`
    INSERT INTO webhook_deliveries
      (id, job_id, attempt, state, exit_code, cause, started_ms, ended_ms, webhook, host, created_ms, due_ms)
    SELECT gen_random_uuid()::text, id, attempt, state, exit_code, cause, started_ms, ended_ms,
      webhook, webhook::json ->> 'host', ${nowMs}::double precision, ${nowMs}::double precision
    FROM jobs WHERE id = ANY(${jobIds}::text[]) AND webhook IS NOT NULL`.execute(db);
}

/** How {@link claimDeliveries} chooses. */
export interface Claim {
  readonly nowMs: number;
  /** A claimed one that nobody settles is due again then. */
  readonly againMs: number;
  readonly limit: number;
  readonly perHost: number;
  /** How many are on their way, by host. */
  readonly busy: ReadonlyMap<string, number>;
}

/** As many as one look goes through, so that a long row of one host stays cheap. */
const LOOK_AT = 100;

/**
 * Takes deliveries that are due, the oldest first, few of each host; those that another process takes now are skipped.
 * Each is counted as tried.
 */
export async function claimDeliveries(
  db: Kysely<Database>,
  { nowMs, againMs, limit, perHost, busy }: Claim,
): Promise<WebhookDeliveriesTable[]> {
  const full = [...busy].flatMap(([host, count]) => (count >= perHost ? [host] : []));
  const counts = JSON.stringify(Object.fromEntries(busy));
  const { rows } = await sql<WebhookDeliveriesTable>`
    WITH due AS (
      SELECT id, host, due_ms FROM webhook_deliveries
      WHERE due_ms <= ${nowMs} AND host <> ALL(${full}::text[])
      ORDER BY due_ms LIMIT ${LOOK_AT} FOR UPDATE SKIP LOCKED
    ), ranked AS (
      SELECT id, due_ms, row_number() OVER (PARTITION BY host ORDER BY due_ms)
        + coalesce((${counts}::json ->> host)::integer, 0) AS nth
      FROM due
    ), chosen AS (
      SELECT id FROM ranked WHERE nth <= ${perHost} ORDER BY due_ms LIMIT ${limit}
    )
    UPDATE webhook_deliveries d SET due_ms = ${againMs}, tries = tries + 1
    FROM chosen WHERE d.id = chosen.id RETURNING d.*`.execute(db);
  return rows;
}

/** What a try came to: `dueMs` for another one, null when it is over. */
export interface Settled {
  readonly dueMs: number | null;
  readonly deliveredMs: number | null;
  readonly error: string | null;
}

/** Notes what a try came to, unless another process has begun the next one. */
export async function settleDelivery(
  db: Kysely<Database>,
  { id, tries }: Pick<WebhookDeliveriesTable, 'id' | 'tries'>,
  { dueMs, deliveredMs, error }: Settled,
): Promise<void> {
  await db
    .updateTable('webhook_deliveries')
    .set({ due_ms: dueMs, delivered_ms: deliveredMs, last_error: error === null ? null : pgText(error) })
    .where('id', '=', id)
    .where('tries', '=', tries)
    .execute();
}

/** The job of a delivery, as far as it stays the same when it is retried; `undefined` when it is past retention. */
export async function deliveredJob(
  db: Kysely<Database>,
  { job_id, attempt }: Pick<WebhookDeliveriesTable, 'job_id' | 'attempt'>,
) {
  return await db
    .selectFrom('jobs')
    .leftJoin('attempt_data', (join) => join.on('attempt_id', '=', attemptIdOf(job_id, attempt)))
    .select(['tenant', 'name', 'batch_id', 'labels', 'accepted_ms', 'output'])
    .where('jobs.id', '=', job_id)
    .executeTakeFirst();
}
export type DeliveredJob = NonNullable<Awaited<ReturnType<typeof deliveredJob>>>;

export async function lastDelivery(
  db: Kysely<Database>,
  jobId: string,
): Promise<WebhookDeliveriesTable | undefined> {
  return await db
    .selectFrom('webhook_deliveries')
    .selectAll()
    .where('job_id', '=', jobId)
    .orderBy('created_ms', 'desc')
    .limit(1)
    .executeTakeFirst();
}

export async function countDeliveries(db: Kysely<Database>): Promise<number> {
  const { count } = await db
    .selectFrom('webhook_deliveries')
    .select(sql<string>`count(*)`.as('count'))
    .where('due_ms', 'is not', null)
    .executeTakeFirstOrThrow();
  return Number(count);
}
