import { type Kysely, type Selectable, sql } from 'kysely';
import { names, recordset } from '../db/bulk.ts';
import type { Database, LogRecordsTable, SpansTable } from '../db/schema.ts';

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

/** Stores spans; one that is there already stays as it is. The daily tables are there. */
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

/** The stored spans of a trace by start, at most `limit`. */
export async function spansOfTrace(
  db: Kysely<Database>,
  { tenant, traceId, jobId, limit }: { tenant: string; traceId: string; jobId?: string; limit: number },
): Promise<SpanRow[]> {
  let query = db.selectFrom('spans').selectAll().where('tenant', '=', tenant).where('trace_id', '=', traceId);
  if (jobId !== undefined) query = query.where('job_id', '=', jobId);
  return await query.orderBy('start_ms').orderBy('span_id').limit(limit).execute();
}

/** The stored log records of a trace by time, at most `limit`. */
export async function logRecordsOfTrace(
  db: Kysely<Database>,
  { tenant, traceId, limit }: { tenant: string; traceId: string; limit: number },
): Promise<LogRecordRow[]> {
  return await db
    .selectFrom('log_records')
    .selectAll()
    .where('tenant', '=', tenant)
    .where('trace_id', '=', traceId)
    .orderBy('time_ms')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** The jobs of a trace, oldest first. */
export async function jobIdsOfTrace(
  db: Kysely<Database>,
  { tenant, traceId, limit }: { tenant: string; traceId: string; limit: number },
): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('trace_id', '=', traceId)
    .where('tenant', '=', tenant)
    .orderBy('accepted_ms')
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(({ id }) => id);
}
