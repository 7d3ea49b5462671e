import { parseAttemptId } from '@cronium/contracts';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { AttemptDataTable, AttemptLogsTable, AttemptsTable, Database, JobsTable } from '../db/schema.ts';

export type JobRow = Omit<Selectable<JobsTable>, 'changed' | 'webhook'>;
export type AttemptRow = Selectable<AttemptsTable>;

/** Of a job by itself; lists leave the payload out. */
export const JOB_COLUMNS = [
  'id',
  'tenant',
  'name',
  'type',
  'pool',
  'batch_id',
  'line',
  'labels',
  'payload',
  'trace_id',
  'received_ms',
  'accepted_ms',
  'state',
  'attempt',
  'settled_attempt',
  'stay_ms',
  'node',
  'exit_code',
  'cause',
  'message',
  'next_run_ms',
  'started_ms',
  'ended_ms',
  'run_ms',
] as const;

export async function getJob(db: Kysely<Database>, id: string): Promise<JobRow | undefined> {
  return await db.selectFrom('jobs').select(JOB_COLUMNS).where('id', '=', id).executeTakeFirst();
}

export async function attemptsOf(db: Kysely<Database>, jobId: string): Promise<AttemptRow[]> {
  return await db.selectFrom('attempts').selectAll().where('job_id', '=', jobId).orderBy('attempt').execute();
}

/** The attempts of some jobs, by the jobs' ids. */
export async function attemptsOfAll(
  db: Kysely<Database>,
  jobIds: readonly string[],
): Promise<Map<string, AttemptRow[]>> {
  const rows = await db
    .selectFrom('attempts')
    .selectAll()
    .where('job_id', '=', sql<string>`ANY(${jobIds}::text[])`)
    .orderBy('attempt')
    .execute();
  return Map.groupBy(rows, ({ job_id }) => job_id);
}

export async function attemptRow(db: Kysely<Database>, attemptId: string): Promise<AttemptRow | undefined> {
  return await db.selectFrom('attempts').selectAll().where('id', '=', attemptId).executeTakeFirst();
}

/** How far the logs of some attempts are stored. */
export async function logPositions(
  db: Kysely<Database>,
  attemptIds: readonly string[],
): Promise<Map<string, AttemptLogsTable>> {
  const rows = await db
    .selectFrom('attempt_logs')
    .selectAll()
    .where('attempt_id', '=', sql<string>`ANY(${attemptIds}::text[])`)
    .execute();
  return new Map(rows.map((row) => [row.attempt_id, row]));
}

/** The same of those attempts whose jobs are the tenant's. */
export async function ownLogPositions(
  db: Kysely<Database>,
  tenant: string,
  attemptIds: readonly string[],
): Promise<Map<string, AttemptLogsTable>> {
  const jobIds = [...new Set(attemptIds.map((id) => parseAttemptId(id).jobId))];
  const own = await db
    .selectFrom('jobs')
    .select('id')
    .where('tenant', '=', tenant)
    .where('id', '=', sql<string>`ANY(${jobIds}::text[])`)
    .execute();
  const ids = new Set(own.map(({ id }) => id));
  return logPositions(
    db,
    attemptIds.filter((id) => ids.has(parseAttemptId(id).jobId)),
  );
}

/** What an attempt told of itself. */
export async function attemptData(
  db: Kysely<Database>,
  attemptId: string,
): Promise<AttemptDataTable | undefined> {
  return await db
    .selectFrom('attempt_data')
    .selectAll()
    .where('attempt_id', '=', attemptId)
    .executeTakeFirst();
}
