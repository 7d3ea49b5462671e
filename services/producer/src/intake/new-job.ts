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
  /** What the queue holds of it, and how many bytes that is. */
  readonly data: string;
  readonly bytes: number;
  /** How it stands there: the JSON of its options, its id apart. */
  readonly options: string;
  readonly isDelayed: boolean;
  /** The spec's JSON, by which a repeat is compared; only of a job that is kept for that. */
  readonly spec: string | undefined;
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
  const data = queueData(payload, spec);
  const options = queueOptions(payload, { kept, at: payload.acceptedAt });
  return {
    id,
    traceId: payload.traceId,
    queue: queueName(record),
    record,
    data,
    bytes: Buffer.byteLength(data),
    options: JSON.stringify(options),
    isDelayed: options.delay > 0,
    spec: kept ? spec : undefined,
    line: payload.line,
  };
}
