import { type Kysely, type Selectable, sql } from 'kysely';
import { names, recordset } from '../db/bulk.ts';
import type { Database, LogRecordsTable, SpansTable } from '../db/schema.ts';
import { JOB_COLUMNS, type JobRow } from './jobs-read.ts';

export type SpanRow = Selectable<SpansTable>;
export type LogRecordRow = Selectable<LogRecordsTable>;

const SPAN = {
  day: 'date',
  trace_id: 'text',
  span_id: 'text',
  parent_span_id: 'text',
  job_id: 'text',
  attempt_id: 'text',
  tenant: 'text',
  name: 'text',
  service: 'text',
  kind: 'text',
  start_ms: 'double precision',
  end_ms: 'double precision',
  status: 'text',
  attributes: 'text',
  events: 'text',
} as const;

const LOG_RECORD = {
  day: 'date',
  id: 'text',
  tenant: 'text',
  trace_id: 'text',
  span_id: 'text',
  job_id: 'text',
  attempt_id: 'text',
  time_ms: 'double precision',
  severity: 'text',
  body: 'text',
  attributes: 'text',
} as const;

/** Stores spans; one that is there already stays as it is. Fails when a daily table is missing. */
export async function insertSpans(db: Kysely<Database>, spans: readonly SpanRow[]): Promise<void> {
  if (spans.length === 0) return;
  const key = (row: SpanRow) => `${row.day} ${row.trace_id} ${row.span_id}`;
  const rows = [...spans].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  await sql`INSERT INTO spans (${names(SPAN)}) SELECT ${names(SPAN)} FROM ${recordset(SPAN, rows)}
    ON CONFLICT DO NOTHING`.execute(db);
}

/** Stores log records; ids make a repeat harmless. */
export async function insertLogRecords(
  db: Kysely<Database>,
  records: readonly LogRecordRow[],
): Promise<void> {
  if (records.length === 0) return;
  const rows = [...records].sort((a, b) => (a.id < b.id ? -1 : 1));
  await sql`INSERT INTO log_records (${names(LOG_RECORD)}) SELECT ${names(LOG_RECORD)}
    FROM ${recordset(LOG_RECORD, rows)} ON CONFLICT DO NOTHING`.execute(db);
}

/** What of a trace: all of it, or only what belongs to these jobs or to none. */
export interface TracePart {
  readonly tenant: string;
  readonly traceId: string;
  readonly jobIds?: readonly string[] | undefined;
  readonly limit: number;
}

/**
 * The stored spans of a trace by start, at most `limit`. With jobs given, those of other jobs are not even looked at: a
 * trace may have any number of them.
 */
export async function spansOfTrace(db: Kysely<Database>, part: TracePart): Promise<SpanRow[]> {
  const { tenant, traceId, jobIds, limit } = part;
  if (jobIds !== undefined) {
    const { rows } = await sql<SpanRow>`
      SELECT * FROM spans_of_jobs(${tenant}, ${traceId}, ${jobIds}::text[], ${limit}::integer)`.execute(db);
    return rows;
  }
  return await db
    .selectFrom('spans')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('trace_id', '=', traceId)
    .orderBy('start_ms')
    .orderBy('span_id')
    .limit(limit)
    .execute();
}

/** The stored log records of a trace by time, at most `limit`. */
export async function logRecordsOfTrace(
  db: Kysely<Database>,
  { tenant, traceId, jobIds, limit }: TracePart,
): Promise<LogRecordRow[]> {
  let query = db
    .selectFrom('log_records')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('trace_id', '=', traceId);
  if (jobIds !== undefined) {
    query = query.where(sql<boolean>`(job_id IS NULL OR job_id = ANY(${jobIds}::text[]))`);
  }
  return await query.orderBy('time_ms').orderBy('id').limit(limit).execute();
}

/** The jobs of a trace, oldest first. */
export async function jobsOfTrace(
  db: Kysely<Database>,
  { tenant, traceId, limit }: { tenant: string; traceId: string; limit: number },
): Promise<JobRow[]> {
  return await db
    .selectFrom('jobs')
    .select(JOB_COLUMNS)
    .where('trace_id', '=', traceId)
    .where('tenant', '=', tenant)
    .orderBy('accepted_ms')
    .orderBy('id')
    .limit(limit)
    .execute();
}
