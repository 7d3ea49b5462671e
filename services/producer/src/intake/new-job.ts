import { type JobSpec, type QueuePayload, type TraceContext, traceIdForJob } from '@cronium/contracts';

/** A job on its way into the queue. */
export interface NewJob {
  readonly id: string;
  readonly payload: QueuePayload;
  /** True: it stays in the queue for a day after its end, so that a repeat of its submit finds it. */
  readonly kept: boolean;
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
  return {
    id,
    kept: keyed,
    payload: {
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
    },
  };
}
