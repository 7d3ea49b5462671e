import type { QueuePayload } from './attempts.ts';
import { notBefore } from './job.ts';
import { toQueuePriority } from './keys.ts';

/** How long a job that came with an Idempotency-Key stays after its end; as long as the key counts. */
export const KEPT_SECONDS = 86_400;

/** The one name of all jobs in the queue. */
export const QUEUED_NAME = 'job';

/** How a job stands in its BullMQ queue, beside its id. The fleet counts attempts itself, so the queue makes one. */
export function queueOptions(
  payload: QueuePayload,
  options: {
    /** Stays after its end, so that a repeat of its submit finds it. */
    readonly kept: boolean;
    /** When it is put there, in Unix milliseconds. */
    readonly at: number;
  },
) {
  const runAt = payload.attemptBase === 0 ? notBefore(payload.spec, payload.acceptedAt) : undefined;
  const remove = options.kept ? { age: KEPT_SECONDS } : true;
  return {
    priority: toQueuePriority(payload.spec.priority),
    delay: runAt === undefined ? 0 : Math.max(0, Math.ceil(runAt - options.at)),
    attempts: 1,
    removeOnComplete: remove,
    removeOnFail: remove,
  };
}
