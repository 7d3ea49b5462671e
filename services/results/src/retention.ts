import { TERMINAL_STATES } from '@cronium/contracts';
import { sql } from 'kysely';
import { dayWindow } from './db/partitions.ts';
import type { Deps } from './deps.ts';
import { deleteAuditBefore } from './queries/audit.ts';
import { deleteFlowsBefore } from './queries/flows.ts';
import { dropOldTallies } from './queries/tallies.ts';
import { forgetRemoved, forgetWrites } from './queries/variables.ts';

const JOBS_EACH = 1000;
/** A helper's last try comes within minutes. */
const WRITES_MS = 3_600_000;

/**
 * Drops the daily tables that are past retention, and deletes jobs that ended before it, a few at a time. Only one
 * process does it at once; the others find nothing to do.
 */
export async function keepRetention(
  {
    db,
    partitions,
    log,
    signal,
    artifacts,
  }: Pick<Deps, 'db' | 'partitions' | 'log' | 'signal' | 'artifacts'>,
  { retentionDays, auditRetentionDays }: { retentionDays: number; auditRetentionDays: number },
  nowMs: number = Date.now(),
): Promise<void> {
  const { first } = dayWindow(retentionDays, nowMs);
  const dropped = await partitions.dropBefore(first);
  if (dropped.length > 0) log.info({ tables: dropped }, 'daily tables past retention were dropped');
  await forgetWrites(db, nowMs - WRITES_MS);
  await dropOldTallies(db, nowMs);
  const beforeMs = Date.parse(first);
  await forgetRemoved(db, beforeMs);
  let jobs = 0;
  while (!signal.aborted) {
    const some = await deleteJobs(db, beforeMs);
    for (const key of some.files) await artifacts.remove(key);
    jobs += some.jobs;
    if (some.jobs < JOBS_EACH) break;
  }
  await sql`DELETE FROM batches b WHERE b.created_ms < ${beforeMs} AND b.complete
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch_id = b.id)`.execute(db);
  await deleteFlowsBefore(db, beforeMs);
  await deleteAuditBefore(db, Date.parse(dayWindow(auditRetentionDays, nowMs).first));
  if (jobs > 0) log.info({ jobs }, 'ended jobs past retention were deleted');
}

/** Deletes the oldest ended jobs and all that belongs to them. */
async function deleteJobs(
  db: Deps['db'],
  beforeMs: number,
): Promise<{ readonly jobs: number; readonly files: readonly string[] }> {
  return await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ id: string }>`
      SELECT id FROM jobs WHERE ended_ms < ${beforeMs} AND state = ANY(${[...TERMINAL_STATES]}::text[])
      ORDER BY ended_ms LIMIT ${JOBS_EACH} FOR UPDATE SKIP LOCKED`.execute(trx);
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return { jobs: 0, files: [] };
    const own = sql`ANY(${ids}::text[])`;
    const { rows: files } = await sql<{ attempt_id: string; path: string }>`
      DELETE FROM artifacts WHERE job_id = ${own} RETURNING attempt_id, path`.execute(trx);
    await sql`DELETE FROM attempt_logs WHERE attempt_id IN (SELECT id FROM attempts WHERE job_id = ${own})`.execute(
      trx,
    );
    await sql`DELETE FROM webhook_deliveries WHERE job_id = ${own}`.execute(trx);
    await sql`DELETE FROM attempt_data WHERE job_id = ${own}`.execute(trx);
    await sql`DELETE FROM attempts WHERE job_id = ${own}`.execute(trx);
    await sql`DELETE FROM jobs WHERE id = ${own}`.execute(trx);
    return { jobs: ids.length, files: files.map((row) => `${row.attempt_id}/${row.path}`) };
  });
}
