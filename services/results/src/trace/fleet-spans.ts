import {
  ATTEMPT_SPANS,
  attemptIdOf,
  isTerminal,
  JOB_SPANS,
  type JobState,
  SPAN,
  type SpanView,
  spanIdFor,
} from '@cronium/contracts';
import { type AttemptFacts, endedMs, momentMs } from '../ingest/fold.ts';
import { readPayload } from '../ingest/payload.ts';
import type { JobRow } from '../queries/jobs-read.ts';
import {
  attemptAttributes,
  jobAttributes,
  messageAttributes,
  phaseAttributes,
  queueAttributes,
} from './attributes.ts';

type Facts = SpanView['attributes'];

/**
 * The fleet's own spans of a job, made from recorded moments: whole although processes crashed. Their ids follow from
 * the ids of job and attempt, so that what a job sends itself hangs at the right place.
 */
export function fleetSpans(job: JobRow, attempts: readonly AttemptFacts[]): SpanView[] {
  const spans = [jobSpan(job, attempts), enqueueSpan(job)];
  let waitsSince: number | null = job.accepted_ms;
  for (const attempt of attempts) {
    const claimed = momentMs(attempt, 'claimed');
    if (waitsSince !== null && claimed !== null) spans.push(waitSpan(job, attempt.id, waitsSince, claimed));
    spans.push(...attemptSpans(job, attempt));
    waitsSince = endedMs(attempt);
  }
  if (job.state === 'queued' && waitsSince !== null) {
    spans.push(waitSpan(job, attemptIdOf(job.id, job.attempt + 1), waitsSince, null));
  }
  return spans;
}

interface SpanParts {
  readonly id: string;
  readonly parent: string | null;
  readonly name: string;
  readonly service: string;
  readonly startMs: number;
  readonly endMs: number | null;
  readonly status?: SpanView['status'];
  readonly kind?: string;
  readonly attributes?: Facts;
}

function span(job: JobRow, parts: SpanParts): SpanView {
  return {
    traceId: job.trace_id,
    spanId: parts.id,
    parentSpanId: parts.parent,
    name: parts.name,
    service: parts.service,
    kind: parts.kind ?? 'internal',
    startMs: parts.startMs,
    // Moments of two hosts may cross: a span never ends before it starts.
    endMs: parts.endMs === null ? null : Math.max(parts.startMs, parts.endMs),
    status: parts.status ?? 'unset',
    attributes: { 'cronium.job': job.id, ...parts.attributes },
    events: [],
  };
}

function jobSpan(job: JobRow, attempts: readonly AttemptFacts[]): SpanView {
  const ended = isTerminal(job.state as JobState);
  const lastMoments = attempts.flatMap(({ timeline }) => timeline.map(({ at }) => at));
  const endMs = ended ? Math.max(job.ended_ms ?? job.accepted_ms, ...lastMoments) : null;
  return span(job, {
    ...of(SPAN.job),
    id: spanIdFor(job.id, SPAN.job),
    parent: readPayload(job.payload)?.parentSpanId ?? null,
    startMs: job.received_ms,
    endMs,
    status: ended ? (job.state === 'succeeded' ? 'ok' : 'error') : 'unset',
    attributes: jobAttributes(job),
  });
}

/** What the definitions say of a span above the phases. */
function of(name: string): Pick<SpanParts, 'name' | 'service' | 'kind'> {
  const { service = 'worker', kind = 'internal' } = JOB_SPANS.find((one) => one.name === name) ?? {};
  return { name, service, kind };
}

function enqueueSpan(job: JobRow): SpanView {
  return span(job, {
    ...of(SPAN.enqueue),
    id: spanIdFor(job.id, SPAN.enqueue),
    parent: spanIdFor(job.id, SPAN.job),
    startMs: job.received_ms,
    endMs: job.accepted_ms,
    status: 'ok',
    attributes: messageAttributes(job, 'enqueue'),
  });
}

function waitSpan(job: JobRow, attemptId: string, startMs: number, endMs: number | null): SpanView {
  return span(job, {
    ...of(SPAN.queueWait),
    id: spanIdFor(attemptId, SPAN.queueWait),
    parent: spanIdFor(job.id, SPAN.job),
    startMs,
    endMs,
    attributes: { 'cronium.attempt': attemptId, ...queueAttributes(job) },
  });
}

function attemptSpans(job: JobRow, attempt: AttemptFacts): SpanView[] {
  const claimed = momentMs(attempt, 'claimed') ?? attempt.timeline[0]?.at;
  if (claimed === undefined) return [];
  return [attemptSpan(job, attempt, claimed), ...phaseSpans(job, attempt)];
}

function attemptSpan(job: JobRow, attempt: AttemptFacts, startMs: number): SpanView {
  const { outcome } = attempt;
  const end = endedMs(attempt);
  const last = momentMs(attempt, 'teardown_ended');
  return span(job, {
    ...of(SPAN.attempt),
    name: `${SPAN.attempt} ${attempt.attempt}`,
    id: spanIdFor(attempt.id, SPAN.attempt),
    parent: spanIdFor(job.id, SPAN.job),
    startMs,
    endMs: end === null ? null : Math.max(end, last ?? end),
    status: outcome === null ? 'unset' : outcome.state === 'succeeded' ? 'ok' : 'error',
    attributes: attemptAttributes(job, attempt),
  });
}

function phaseSpans(job: JobRow, attempt: AttemptFacts): SpanView[] {
  const over = endedMs(attempt);
  return ATTEMPT_SPANS.flatMap((definition) => {
    const begin = attempt.timeline.find(({ moment }) => moment === definition.begins);
    const end = attempt.timeline.find(({ moment }) => moment === definition.ends);
    // A job that wrote nothing has no first byte; the span would never end.
    if (begin === undefined || (end === undefined && definition.name === SPAN.firstByte)) return [];
    return [
      span(job, {
        id: spanIdFor(attempt.id, definition.name),
        parent: spanIdFor(attempt.id, definition.parent),
        name: definition.name,
        service: 'worker',
        startMs: begin.at,
        endMs: end?.at ?? over,
        status: end === undefined && over !== null ? 'error' : 'unset',
        attributes: {
          'cronium.attempt': attempt.id,
          ...(definition.name === SPAN.claim && messageAttributes(job, 'claim')),
          ...phaseAttributes(begin, end),
        },
      }),
    ];
  });
}
