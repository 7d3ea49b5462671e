import { type FleetEvent, TERMINAL_STATES } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import { pgText, recordset } from '../db/bulk.ts';
import type { Database } from '../db/schema.ts';

/** Stores what a producer says of a batch. The latest word counts for the numbers; complete stays complete. */
export async function upsertBatch(
  db: Kysely<Database>,
  event: Extract<FleetEvent, { type: 'batch' }>,
): Promise<void> {
  const name = event.name === undefined ? null : pgText(event.name);
  // The opening of an upload that repeats another knows no numbers yet.
  const newer = sql`(excluded.complete AND (NOT b.complete OR excluded.event_ms >= b.event_ms))`;
  await sql`
    INSERT INTO batches AS b (id, tenant, name, accepted, rejected, complete, created_ms, event_ms)
    VALUES (${event.batchId}, ${event.tenant}, ${name}, ${event.accepted}, ${event.rejected}, ${event.complete},
      ${event.at}, ${event.at})
    ON CONFLICT (id) DO UPDATE SET
      name = coalesce(excluded.name, b.name),
      accepted = CASE WHEN ${newer} THEN excluded.accepted ELSE b.accepted END,
      rejected = CASE WHEN ${newer} THEN excluded.rejected ELSE b.rejected END,
      complete = b.complete OR excluded.complete,
      created_ms = least(b.created_ms, excluded.created_ms),
      event_ms = greatest(b.event_ms, excluded.event_ms)`.execute(db);
}

/** A batch that a job names. */
export interface NamedBatch {
  readonly id: string;
  readonly tenant: string;
  readonly createdMs: number;
}

const COLUMNS = { id: 'text', tenant: 'text', created_ms: 'double precision' } as const;

/** Makes sure that the batches have rows, and holds them (shared) until the transaction ends. */
export async function holdBatches(db: Kysely<Database>, batches: readonly NamedBatch[]) {
  if (batches.length === 0) return [];
  const rows = batches
    .map(({ id, tenant, createdMs }) => ({ id, tenant, created_ms: createdMs }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  await sql`INSERT INTO batches (id, tenant, accepted, rejected, complete, created_ms, event_ms)
    SELECT id, tenant, 0, 0, false, created_ms, 0 FROM ${recordset(COLUMNS, rows)}
    ON CONFLICT DO NOTHING`.execute(db);
  return await db
    .selectFrom('batches')
    .select(['id', 'cancelled_by', 'cancelled_ms'])
    .where('id', '=', sql<string>`ANY(${rows.map(({ id }) => id)}::text[])`)
    .orderBy('id')
    .forShare()
    .execute();
}

/** Marks a batch as cancelled; jobs of it that come later are cancelled too. The first wish stays. */
export async function cancelBatch(
  db: Kysely<Database>,
  { id, tenant, by, atMs }: { id: string; tenant: string; by: string; atMs: number },
): Promise<void> {
  await sql`
    INSERT INTO batches AS b (id, tenant, accepted, rejected, complete, created_ms, event_ms, cancelled_by, cancelled_ms)
    VALUES (${id}, ${tenant}, 0, 0, false, ${atMs}, 0, ${by}, ${atMs})
    ON CONFLICT (id) DO UPDATE SET cancelled_by = coalesce(b.cancelled_by, excluded.cancelled_by),
      cancelled_ms = coalesce(b.cancelled_ms, excluded.cancelled_ms)`.execute(db);
}

/** Who cancelled the batch of a job; `undefined` when nobody did, or it has none. */
export async function batchCancel(
  db: Kysely<Database>,
  jobId: string,
): Promise<{ by: string; reason: string; atMs: number } | undefined> {
  const row = await db
    .selectFrom('batches')
    .innerJoin('jobs', 'jobs.batch_id', 'batches.id')
    .select(['batches.cancelled_by', 'batches.cancelled_ms'])
    .where('jobs.id', '=', jobId)
    .executeTakeFirst();
  if (row?.cancelled_by == null) return undefined;
  return { by: row.cancelled_by, reason: 'its batch was cancelled', atMs: row.cancelled_ms ?? 0 };
}

/** The cancelled batches that have jobs in the queue. */
export async function unendedBatches(
  db: Kysely<Database>,
): Promise<{ readonly id: string; readonly by: string; readonly atMs: number }[]> {
  const { rows } = await sql<{ id: string; by: string; atMs: number }>`
    SELECT id, cancelled_by AS by, cancelled_ms AS "atMs" FROM batches WHERE cancelled_by IS NOT NULL
      AND EXISTS (SELECT FROM jobs WHERE jobs.batch_id = batches.id AND jobs.state = 'queued')`.execute(db);
  return rows;
}

/** A page of the ids of a batch's jobs that have not ended. */
export async function openJobsOfBatch(
  db: Kysely<Database>,
  batchId: string,
  { after, limit }: { after: string; limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('batch_id', '=', batchId)
    .where('id', '>', after)
    .where('state', 'not in', [...TERMINAL_STATES])
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}
