import type { SpanView, TraceView } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { toFacts } from '../queries/attempts-write.ts';
import { attemptsOf, attemptsOfAll, type JobRow } from '../queries/jobs-read.ts';
import {
  jobsOfTrace,
  type LogRecordRow,
  logRecordsOfTrace,
  type SpanRow,
  spansOfTrace,
} from '../queries/spans.ts';
import { fleetSpans } from './fleet-spans.ts';

/** More in one answer would neither come soon nor be looked at. */
const MAX_SPANS = 2000;
const MAX_JOBS = 100;
const MAX_LOG_RECORDS = 1000;

/** The trace of one job: the fleet's spans of it, and what it and its submitter sent over OTLP. */
export async function traceOfJob(db: Kysely<Database>, job: JobRow): Promise<TraceView> {
  const { tenant, trace_id: traceId, id } = job;
  // Spans of other jobs of the same trace are theirs; those of no job belong to all of them.
  const stored = await storedSpans(db, { tenant, traceId, jobIds: [id] });
  const attempts = await attemptsOf(db, id);
  return view(traceId, [...fleetSpans(job, attempts.map(toFacts)), ...stored]);
}

/**
 * A whole trace: all jobs in it and all that was sent; `undefined` when nothing of it is known. Of one with many jobs
 * the first ones are shown, each with all of its own.
 */
export async function traceById(
  db: Kysely<Database>,
  { tenant, traceId }: { tenant: string; traceId: string },
): Promise<TraceView | undefined> {
  const jobs = await jobsOfTrace(db, { tenant, traceId, limit: MAX_JOBS + 1 });
  const isCut = jobs.length > MAX_JOBS;
  const shown = jobs.slice(0, MAX_JOBS);
  const ids = shown.map(({ id }) => id);
  const stored = await storedSpans(db, { tenant, traceId, jobIds: isCut ? ids : undefined });
  const attempts = await attemptsOfAll(db, ids);
  const fleet = shown.flatMap((job) => fleetSpans(job, (attempts.get(job.id) ?? []).map(toFacts)));
  const spans = [...stored, ...fleet];
  return spans.length === 0 ? undefined : view(traceId, spans, isCut);
}

async function storedSpans(
  db: Kysely<Database>,
  of: { tenant: string; traceId: string; jobIds: readonly string[] | undefined },
): Promise<SpanView[]> {
  const spans = (await spansOfTrace(db, { ...of, limit: MAX_SPANS + 1 })).map(toSpan);
  if (spans.length === 0) return spans;
  const records = await logRecordsOfTrace(db, { ...of, limit: MAX_LOG_RECORDS });
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const record of records) byId.get(record.span_id ?? '')?.events.push(toEvent(record));
  return spans;
}

function view(traceId: string, spans: readonly SpanView[], truncated = false): TraceView {
  const unique = [...new Map(spans.map((span) => [span.spanId, span])).values()];
  unique.sort((a, b) => a.startMs - b.startMs || (b.endMs ?? Infinity) - (a.endMs ?? Infinity));
  return {
    traceId,
    spans: unique.slice(0, MAX_SPANS),
    truncated: truncated || unique.length > MAX_SPANS,
  };
}

/** A stored span as the API shows it. */
export function toSpan(row: SpanRow): SpanView {
  const tied: Record<string, string> = {};
  if (row.job_id !== null) tied['cronium.job'] = row.job_id;
  if (row.attempt_id !== null) tied['cronium.attempt'] = row.attempt_id;
  return {
    traceId: row.trace_id,
    spanId: row.span_id,
    parentSpanId: row.parent_span_id,
    name: row.name,
    service: row.service,
    kind: row.kind,
    startMs: row.start_ms,
    endMs: row.end_ms,
    status: row.status as SpanView['status'],
    attributes: { ...JSON.parse(row.attributes), ...tied },
    events: row.events === '[]' ? [] : JSON.parse(row.events),
  };
}

function toEvent(row: LogRecordRow): SpanView['events'][number] {
  return {
    name: row.body,
    atMs: row.time_ms,
    attributes: { ...JSON.parse(row.attributes), severity: row.severity },
  };
}
