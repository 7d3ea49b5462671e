import {
  type JobSpec,
  type QueuePayload,
  type QueueRecord,
  queueData,
  queueName,
  queueOf,
  queueOptions,
  type TraceContext,
  traceIdForJob,
} from '@cronium/contracts';

/**
 * A job on its way into the queue: as text, so that the thousands that are on their way at once are a few strings each
 * and not a tree of objects.
 */
export interface NewJob {
  readonly id: string;
  readonly traceId: string;
  /** The queue it goes into, and what that stands for. */
  readonly queue: string;
  readonly record: QueueRecord;
  /** What the queue holds of it, and how. */
  readonly data: string;
  readonly options: ReturnType<typeof queueOptions>;
  /** The spec's JSON, by which a repeat is compared. */
  readonly spec: string;
  /** Its line in a batch. */
  readonly line: number | undefined;
}

/** What all jobs of one request have in common. */
export interface Submission {
  readonly tenant: string;
  readonly trace: TraceContext | undefined;
  /** Unix milliseconds at which the request came. */
  readonly receivedAt: number;
  /** Did the request carry an Idempotency-Key? */
  readonly keyed: boolean;
}

/** Makes the job of a spec. */
export function newJob(
  spec: JobSpec,
  {
    id,
    submission,
    batch,
  }: { id: string; submission: Submission; batch?: { batchId: string; line: number } },
): NewJob {
  const { tenant, trace, receivedAt, keyed } = submission;
  const payload: QueuePayload = {
    v: 1,
    spec,
    tenant,
    ...batch,
    traceId: trace?.traceId ?? traceIdForJob(id),
    ...(trace && { parentSpanId: trace.spanId }),
    receivedAt,
    acceptedAt: Date.now(),
    attemptBase: 0,
    postponed: 0,
  };
  return jobOf(id, payload, keyed);
}

/**
 * The job of a payload.
 * @param kept it stays in the queue for a day after its end, so that a repeat of its submit finds it
 */
export function jobOf(id: string, payload: QueuePayload, kept: boolean): NewJob {
  const spec = JSON.stringify(payload.spec);
  const record = queueOf(payload.spec);
  return {
    id,
    traceId: payload.traceId,
    queue: queueName(record),
    record,
    data: queueData(payload, spec),
    options: queueOptions(id, payload, { kept, at: payload.acceptedAt }),
    spec,
    line: payload.line,
  };
}
