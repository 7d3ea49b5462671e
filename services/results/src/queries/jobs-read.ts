import { parseAttemptId } from '@cronium/contracts';
import { type Expression, type Kysely, type Selectable, type SqlBool, sql } from 'kysely';
import { pgText } from '../db/bulk.ts';
import type { AttemptDataTable, AttemptLogsTable, AttemptsTable, Database, JobsTable } from '../db/schema.ts';

export type JobRow = Omit<Selectable<JobsTable>, 'changed'>;
export type AttemptRow = Selectable<AttemptsTable>;

const COLUMNS = [
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
  return await db.selectFrom('jobs').select(COLUMNS).where('id', '=', id).executeTakeFirst();
}

export async function attemptsOf(db: Kysely<Database>, jobId: string): Promise<AttemptRow[]> {
  return await db.selectFrom('attempts').selectAll().where('job_id', '=', jobId).orderBy('attempt').execute();
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

/** Which jobs to list; all that are given must hold. */
export interface JobFilter {
  readonly tenant: string;
  readonly states?: readonly string[] | undefined;
  readonly batch?: string | undefined;
  readonly pool?: string | undefined;
  /** `name=value`. */
  readonly labels?: readonly string[] | undefined;
  /** A part of the name, in any case. */
  readonly name?: string | undefined;
  /** Accepted at or after, and before; Unix ms. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Only those behind this one, newest first. */
  readonly after?: { readonly acceptedMs: number; readonly id: string } | undefined;
  readonly limit: number;
}

export type ListedJob = Omit<JobRow, 'payload'>;

/** Jobs by the time they were accepted, newest first. */
export async function listJobs(db: Kysely<Database>, filter: JobFilter): Promise<ListedJob[]> {
  const columns = COLUMNS.filter((name) => name !== 'payload');
  return await db
    .selectFrom('jobs')
    .select(columns)
    .where((eb) => eb.and(conditions(filter)))
    .orderBy('accepted_ms', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit)
    .execute();
}

function conditions(filter: JobFilter): Expression<SqlBool>[] {
  const { tenant, states, batch, pool, labels, name, from, to, after } = filter;
  const all = [sql<SqlBool>`tenant = ${tenant}`];
  if (states !== undefined) all.push(sql`state = ANY(${states}::text[])`);
  if (batch !== undefined) all.push(sql`batch_id = ${batch}`);
  if (pool !== undefined) all.push(sql`pool = ${pool}`);
  if (labels !== undefined && labels.length > 0) all.push(sql`labels @> ${labels.map(pgText)}::text[]`);
  if (name !== undefined) all.push(sql`strpos(lower(name), lower(${name})) > 0`);
  if (from !== undefined) all.push(sql`accepted_ms >= ${from}`);
  if (to !== undefined) all.push(sql`accepted_ms < ${to}`);
  if (after !== undefined)
    all.push(sql`(accepted_ms, id) < (${after.acceptedMs}::double precision, ${after.id})`);
  return all;
}
