import { createHash } from 'node:crypto';
import { ATTEMPT_ID, JOB_ID } from '@cronium/contracts';
import type { z } from 'zod';
import { pgText } from '../db/bulk.ts';
import { clampDay, type DayWindow, dayOf } from '../db/partitions.ts';
import type { LogRecordRow, SpanRow } from '../queries/spans.ts';
import {
  type logsRequest,
  nanosToMs,
  type OtlpLogRecord,
  type OtlpSpan,
  plainAttributes,
  plainValue,
  type traceRequest,
} from './model.ts';

/** Who sent it; what a job sends is tied to its attempt, whatever it says itself. */
export interface Origin {
  readonly tenant: string;
  readonly jobId?: string;
  readonly attemptId?: string;
  /** The trace of the job, and its run span: what a job sends belongs below it. */
  readonly home?: { readonly traceId: string; readonly spanId: string };
}

/** What of a request is stored, and how much was not right. */
export interface Taken<T> {
  readonly rows: readonly T[];
  readonly rejected: number;
}

type Context = { readonly origin: Origin; readonly window: DayWindow; readonly nowMs: number };

const KINDS = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'];
const STATUS = ['unset', 'ok', 'error'] as const;

export function spanRows(request: z.infer<typeof traceRequest>, context: Context): Taken<SpanRow> {
  const rows: SpanRow[] = [];
  let rejected = 0;
  for (const { resource, scopeSpans } of request.resourceSpans) {
    const shared = plainAttributes(resource.attributes);
    for (const span of scopeSpans.flatMap(({ spans }) => spans)) {
      const row = spanRow(span, shared, context);
      if (row === undefined) rejected += 1;
      else rows.push(row);
    }
  }
  return { rows, rejected };
}

function spanRow(
  span: OtlpSpan,
  shared: Record<string, unknown>,
  { origin, window, nowMs }: Context,
): SpanRow | undefined {
  const traceId = hexId(span.traceId, 32);
  const spanId = hexId(span.spanId, 16);
  if (traceId === undefined || spanId === undefined) return undefined;
  const attributes = {
    ...withoutService(shared),
    ...plainAttributes(span.attributes),
    ...sentAs(traceId, origin),
  };
  const startMs = nanosToMs(span.startTimeUnixNano);
  const endMs = nanosToMs(span.endTimeUnixNano);
  return {
    day: dayWithin(startMs, window, nowMs),
    trace_id: origin.home?.traceId ?? traceId,
    span_id: spanId,
    parent_span_id: hexId(span.parentSpanId, 16) ?? origin.home?.spanId ?? null,
    ...ownerOf(origin, attributes),
    tenant: origin.tenant,
    name: pgText(span.name).slice(0, 1000),
    service: pgText(String(shared['service.name'] ?? (origin.jobId === undefined ? 'unknown' : 'job'))).slice(
      0,
      200,
    ),
    kind: KINDS[enumOf(span.kind, 'SPAN_KIND_', KINDS)] ?? 'unspecified',
    start_ms: startMs,
    end_ms: endMs === 0 ? null : Math.max(startMs, endMs),
    status: STATUS[enumOf(span.status.code, 'STATUS_CODE_', STATUS)] ?? 'unset',
    attributes: JSON.stringify(
      span.status.message === '' ? attributes : { ...attributes, 'status.message': span.status.message },
    ),
    events: JSON.stringify(
      span.events.map(({ name, timeUnixNano, attributes: own }) => ({
        name,
        atMs: nanosToMs(timeUnixNano),
        attributes: plainAttributes(own),
      })),
    ),
  };
}

export function logRows(request: z.infer<typeof logsRequest>, context: Context): Taken<LogRecordRow> {
  const rows = request.resourceLogs.flatMap(({ resource, scopeLogs }) => {
    const shared = withoutService(plainAttributes(resource.attributes));
    return scopeLogs.flatMap(({ logRecords }) => logRecords.map((record) => logRow(record, shared, context)));
  });
  return { rows, rejected: 0 };
}

function logRow(
  record: OtlpLogRecord,
  shared: Record<string, unknown>,
  { origin, window, nowMs }: Context,
): LogRecordRow {
  const attributes = { ...shared, ...plainAttributes(record.attributes) };
  const body = plainValue(record.body);
  const timeMs = nanosToMs(record.timeUnixNano) || nanosToMs(record.observedTimeUnixNano) || nowMs;
  // The id follows from the content: a request that is sent again stores nothing twice.
  const id = createHash('sha256')
    .update(JSON.stringify([origin, record]))
    .digest('hex')
    .slice(0, 32);
  return {
    day: dayWithin(timeMs, window, nowMs),
    id,
    tenant: origin.tenant,
    trace_id: origin.home?.traceId ?? hexId(record.traceId, 32) ?? null,
    span_id: hexId(record.spanId, 16) ?? null,
    ...ownerOf(origin, attributes),
    time_ms: timeMs,
    severity: pgText(record.severityText || String(record.severityNumber)).slice(0, 50),
    body: pgText(typeof body === 'string' ? body : JSON.stringify(body)),
    attributes: JSON.stringify(attributes),
  };
}

/**
 * An SDK that knows nothing of TRACEPARENT begins a trace of its own. It becomes a part of the job's, and its id is kept
 * for those who have it in their own logs.
 */
function sentAs(traceId: string, { home }: Origin): Record<string, string> {
  return home === undefined || home.traceId === traceId ? {} : { 'cronium.sent_trace_id': traceId };
}

/** JSON has ids as hex digits; from protobuf they come as base64. All zeros is no id. */
function hexId(text: string, digits: 16 | 32): string | undefined {
  const hex = text.length === digits ? text.toLowerCase() : Buffer.from(text, 'base64').toString('hex');
  return hex.length === digits && /^[0-9a-f]+$/.test(hex) && !/^0+$/.test(hex) ? hex : undefined;
}

/** An enum as its number, or as its name, which some senders write in JSON. */
function enumOf(value: number | string, prefix: string, names: readonly string[]): number {
  if (typeof value === 'number') return value;
  const at = names.indexOf(value.replace(prefix, '').toLowerCase());
  return at === -1 ? Number(value) : at;
}

function withoutService({ 'service.name': _, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return rest;
}

function ownerOf(origin: Origin, attributes: Record<string, unknown>) {
  if (origin.jobId !== undefined) return { job_id: origin.jobId, attempt_id: origin.attemptId ?? null };
  const { 'cronium.job': job, 'cronium.attempt': attempt } = attributes;
  return {
    job_id: typeof job === 'string' && JOB_ID.test(job) ? job : null,
    attempt_id: typeof attempt === 'string' && ATTEMPT_ID.test(attempt) ? attempt : null,
  };
}

/** Times of strangers may be anything: the day of the table is one that is kept. */
function dayWithin(ms: number, window: DayWindow, nowMs: number): string {
  const sane = ms > 0 && ms < 8e15 ? ms : nowMs;
  return clampDay(dayOf(sane), window);
}
