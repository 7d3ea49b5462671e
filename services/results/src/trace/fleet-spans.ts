import {
  ATTEMPT_SPANS,
  attemptIdOf,
  isTerminal,
  JOB_SPANS,
  type JobState,
  SPAN,
  type SpanView,
  spanIdFor,
  type TimelineEntry,
  type TimelineMoment,
} from '@cronium/contracts';
import { type AttemptFacts, endedMs, momentMs } from '../ingest/fold.ts';
import type { JobRow } from '../queries/jobs-read.ts';
import {
  attemptAttributes,
  jobAttributes,
  messageAttributes,
  phaseAttributes,
  type TracedJob,
  tracedJob,
} from './attributes.ts';

type Facts = SpanView['attributes'];

/**
 * The fleet's own spans of a job, made from recorded moments: whole although processes crashed. Their ids follow from
 * the ids of job and attempt, so that what a job sends itself hangs at the right place.
 */
export function fleetSpans(job: JobRow, attempts: readonly AttemptFacts[]): SpanView[] {
  const traced = tracedJob(job);
  const root = jobSpan(traced, attempts);
  const below = root.spanId;
  const spans = [root, enqueueSpan(traced, below)];
  let waitsSince: number | null = job.accepted_ms;
  const wait = (attemptId: string, startMs: number, endMs: number | null) =>
    spans.push(waitSpan(traced, { attemptId, parent: below, startMs, endMs }));
  for (const attempt of attempts) {
    const claimed = momentMs(attempt, 'claimed');
    if (waitsSince !== null && claimed !== null) wait(attempt.id, waitsSince, claimed);
    spans.push(...attemptSpans(traced, attempt, below));
    waitsSince = endedMs(attempt);
  }
  if (job.state === 'queued' && waitsSince !== null) {
    wait(attemptIdOf(job.id, job.attempt + 1), waitsSince, null);
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

function jobSpan({ job, parentSpanId }: TracedJob, attempts: readonly AttemptFacts[]): SpanView {
  const ended = isTerminal(job.state as JobState);
  const lastMoments = attempts.flatMap(({ timeline }) => timeline.map(({ at }) => at));
  const endMs = ended ? Math.max(job.ended_ms ?? job.accepted_ms, ...lastMoments) : null;
  return span(job, {
    ...of(SPAN.job),
    id: spanIdFor(job.id, SPAN.job),
    parent: parentSpanId,
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

function enqueueSpan(traced: TracedJob, parent: string): SpanView {
  const { job } = traced;
  return span(job, {
    ...of(SPAN.enqueue),
    id: spanIdFor(job.id, SPAN.enqueue),
    parent,
    startMs: job.received_ms,
    endMs: job.accepted_ms,
    status: 'ok',
    attributes: messageAttributes(traced, 'enqueue'),
  });
}

interface Wait {
  readonly attemptId: string;
  readonly parent: string;
  readonly startMs: number;
  readonly endMs: number | null;
}

function waitSpan({ job, queue }: TracedJob, { attemptId, ...times }: Wait): SpanView {
  return span(job, {
    ...of(SPAN.queueWait),
    ...times,
    id: spanIdFor(attemptId, SPAN.queueWait),
    attributes: { 'cronium.attempt': attemptId, ...queue },
  });
}

/** The first of each moment. */
type Moments = ReadonlyMap<TimelineMoment, TimelineEntry>;

function attemptSpans(traced: TracedJob, attempt: AttemptFacts, parent: string): SpanView[] {
  const moments: Moments = new Map(attempt.timeline.toReversed().map((entry) => [entry.moment, entry]));
  const claimed = moments.get('claimed')?.at ?? attempt.timeline[0]?.at;
  if (claimed === undefined) return [];
  const whole = attemptSpan(traced, attempt, {
    parent,
    startMs: claimed,
    last: moments.get('teardown_ended')?.at,
  });
  return [whole, ...phaseSpans(traced, attempt, { moments, attemptSpanId: whole.spanId })];
}

function attemptSpan(
  traced: TracedJob,
  attempt: AttemptFacts,
  { parent, startMs, last }: { parent: string; startMs: number; last: number | undefined },
): SpanView {
  const { outcome } = attempt;
  const end = endedMs(attempt);
  return span(traced.job, {
    ...of(SPAN.attempt),
    name: `${SPAN.attempt} ${attempt.attempt}`,
    id: spanIdFor(attempt.id, SPAN.attempt),
    parent,
    startMs,
    endMs: end === null ? null : Math.max(end, last ?? end),
    status: outcome === null ? 'unset' : outcome.state === 'succeeded' ? 'ok' : 'error',
    attributes: attemptAttributes(traced, attempt),
  });
}

function phaseSpans(
  traced: TracedJob,
  attempt: AttemptFacts,
  { moments, attemptSpanId }: { moments: Moments; attemptSpanId: string },
): SpanView[] {
  const over = endedMs(attempt);
  return ATTEMPT_SPANS.flatMap((definition) => {
    const begin = moments.get(definition.begins);
    const end = moments.get(definition.ends);
    // A job that wrote nothing has no first byte; the span would never end.
    if (begin === undefined || (end === undefined && definition.name === SPAN.firstByte)) return [];
    return [
      span(traced.job, {
        id: spanIdFor(attempt.id, definition.name),
        parent: definition.parent === SPAN.attempt ? attemptSpanId : spanIdFor(attempt.id, definition.parent),
        name: definition.name,
        service: 'worker',
        startMs: begin.at,
        endMs: end?.at ?? over,
        status: end === undefined && over !== null ? 'error' : 'unset',
        attributes: {
          'cronium.attempt': attempt.id,
          ...(definition.name === SPAN.claim && messageAttributes(traced, 'claim')),
          ...phaseAttributes(begin, end),
        },
      }),
    ];
  });
}
