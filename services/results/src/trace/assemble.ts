import type { SpanView, TraceView } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { toFacts } from '../queries/attempts-write.ts';
import { attemptsOf, attemptsOfAll, getJobs, type JobRow } from '../queries/jobs-read.ts';
import {
  jobIdsOfTrace,
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
  const { tenant, trace_id: traceId } = job;
  const own = await spansOfJob(db, job);
  const stored = await storedSpans(db, { tenant, traceId });
  // Spans of other jobs of the same trace are theirs; those of no job belong to all of them.
  const ours = stored.filter(({ attributes }) => (attributes['cronium.job'] ?? job.id) === job.id);
  return view(traceId, [...own, ...ours]);
}

/** A whole trace: all jobs in it and all that was sent; `undefined` when nothing of it is known. */
export async function traceById(
  db: Kysely<Database>,
  { tenant, traceId }: { tenant: string; traceId: string },
): Promise<TraceView | undefined> {
  const ids = await jobIdsOfTrace(db, { tenant, traceId, limit: MAX_JOBS + 1 });
  const spans = await storedSpans(db, { tenant, traceId });
  const shown = ids.slice(0, MAX_JOBS);
  const attempts = await attemptsOfAll(db, shown);
  for (const job of await getJobs(db, shown)) {
    spans.push(...fleetSpans(job, (attempts.get(job.id) ?? []).map(toFacts)));
  }
  return spans.length === 0 ? undefined : view(traceId, spans, ids.length > MAX_JOBS);
}

async function spansOfJob(db: Kysely<Database>, job: JobRow): Promise<SpanView[]> {
  return fleetSpans(job, (await attemptsOf(db, job.id)).map(toFacts));
}

async function storedSpans(
  db: Kysely<Database>,
  of: { tenant: string; traceId: string },
): Promise<SpanView[]> {
  const spans = (await spansOfTrace(db, { ...of, limit: MAX_SPANS + 1 })).map(toSpan);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const record of await logRecordsOfTrace(db, { ...of, limit: MAX_LOG_RECORDS })) {
    byId.get(record.span_id ?? '')?.events.push(toEvent(record));
  }
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
    events: JSON.parse(row.events),
  };
}

function toEvent(row: LogRecordRow): SpanView['events'][number] {
  return {
    name: row.body,
    atMs: row.time_ms,
    attributes: { ...JSON.parse(row.attributes), severity: row.severity },
  };
}
