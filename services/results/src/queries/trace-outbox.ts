import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Notes jobs whose traces are to be sent, no earlier than `dueMs`. In the transaction in which they ended. */
export async function putTraces(
  db: Kysely<Database>,
  jobIds: readonly string[],
  { nowMs, dueMs }: { nowMs: number; dueMs: number },
): Promise<void> {
  if (jobIds.length === 0) return;
  await sql`INSERT INTO trace_outbox (job_id, since_ms, due_ms)
    SELECT id, ${nowMs}, ${dueMs} FROM unnest(${[...jobIds].sort()}::text[]) AS id
    ON CONFLICT (job_id) DO UPDATE SET since_ms = excluded.since_ms, due_ms = excluded.due_ms`.execute(db);
}

/** Jobs whose traces are due, locked until the transaction ends; those that another process has are skipped. */
export async function takeTraces(
  db: Kysely<Database>,
  { nowMs, limit }: { nowMs: number; limit: number },
): Promise<{ jobId: string; sinceMs: number }[]> {
  const rows = await db
    .selectFrom('trace_outbox')
    .select(['job_id', 'since_ms'])
    .where('due_ms', '<=', nowMs)
    .orderBy('due_ms')
    .limit(limit)
    .forUpdate()
    .skipLocked()
    .execute();
  return rows.map(({ job_id, since_ms }) => ({ jobId: job_id, sinceMs: since_ms }));
}

export async function deferTraces(
  db: Kysely<Database>,
  jobIds: readonly string[],
  dueMs: number,
): Promise<void> {
  if (jobIds.length === 0) return;
  await db
    .updateTable('trace_outbox')
    .set({ due_ms: dueMs })
    .where('job_id', '=', sql<string>`ANY(${jobIds}::text[])`)
    .execute();
}

export async function removeTraces(db: Kysely<Database>, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  await db.deleteFrom('trace_outbox').where('job_id', '=', sql<string>`ANY(${jobIds}::text[])`).execute();
}

/** Gives up on the oldest beyond so many. Returns how many that were. */
export async function dropOldestTraces(db: Kysely<Database>, keep: number): Promise<number> {
  const { rows } = await sql<{ id: string }>`
    DELETE FROM trace_outbox WHERE job_id IN (
      SELECT job_id FROM trace_outbox ORDER BY since_ms DESC OFFSET ${keep} FOR UPDATE SKIP LOCKED
    ) RETURNING job_id AS id`.execute(db);
  return rows.length;
}

export async function countTraces(db: Kysely<Database>): Promise<number> {
  const { count } = await db
    .selectFrom('trace_outbox')
    .select(sql<string>`count(*)`.as('count'))
    .executeTakeFirstOrThrow();
  return Number(count);
}
