import { setTimeout as pause } from 'node:timers/promises';
import { queueKey, queueName, queueOf } from '@cronium/contracts';
import { jobOf, type NewJob } from '../intake/new-job.ts';
import { problems } from '../problems.ts';
import type { EndedJob } from '../results.ts';
import { replies, withValkey } from '../valkey/connection.ts';
import type { FleetQueues } from './queues.ts';

/** How long a worker may take from its report of a job's end to taking the job off the queue. */
const SETTLED_WITHIN_MS = 5000;
const LOOK_EVERY_MS = 25;

/** An ended job that is to run again. */
export type RetryJob = EndedJob & { readonly jobId: string };

/**
 * Puts ended jobs back into their queues. Their attempts count on from where they were; delays and wishes to cancel
 * from before don't hold any more.
 * A job that is already back in its queue stays as it is.
 * @throws HttpProblem 503 when a worker still holds one of them
 */
export async function retryJobs(queues: FleetQueues, jobs: readonly RetryJob[], by: string): Promise<void> {
  if (jobs.length === 0) return;
  await withValkey(async () => {
    await settled(queues, jobs);
    await queues.valkey.unlink(...jobs.map(({ jobId }) => queues.keys.cancel(jobId)));
    await removeEnded(queues, jobs);
  });
  await queues.addAgain(jobs.map(again), by);
}

/** Does a worker hold the job's lock? */
export async function isHeld(
  queues: FleetQueues,
  { jobId, queue }: { jobId: string; queue: string },
): Promise<boolean> {
  return withValkey(
    async () => (await queues.valkey.exists(`${queueKey(queues.prefix, queue, jobId)}:lock`)) > 0,
  );
}

/**
 * Waits until no worker holds the jobs. Results shows a job as ended a moment before its worker takes it off the queue;
 * added again in that moment, it would be taken for the one that is still there, and forgotten.
 */
async function settled(queues: FleetQueues, jobs: readonly RetryJob[]): Promise<void> {
  const locks = jobs.map(({ jobId, payload }) => `${keyOf(queues, { jobId, payload })}:lock`);
  const endsAt = performance.now() + SETTLED_WITHIN_MS;
  while ((await queues.valkey.exists(...locks)) > 0) {
    if (performance.now() > endsAt) throw problems.unsettled();
    await pause(LOOK_EVERY_MS);
  }
}

function keyOf(queues: FleetQueues, { jobId, payload }: Pick<RetryJob, 'jobId' | 'payload'>): string {
  return queueKey(queues.prefix, queueName(queueOf(payload.spec)), jobId);
}

/** A job that came with an Idempotency-Key is still in the queue as completed, and would hide its own retry. */
async function removeEnded(queues: FleetQueues, jobs: readonly RetryJob[]): Promise<void> {
  const pipeline = queues.valkey.pipeline();
  for (const job of jobs) pipeline.hget(keyOf(queues, job), 'finishedOn');
  const finished = replies(await pipeline.exec());
  await Promise.all(
    jobs
      .filter((_, i) => finished[i] !== null)
      .map(({ jobId, payload }) => queues.open(queueName(queueOf(payload.spec))).remove(jobId)),
  );
}

function again({ jobId, payload, attempts }: RetryJob): NewJob {
  const now = Date.now();
  const restarted = { ...payload, receivedAt: now, acceptedAt: now, attemptBase: attempts, postponed: 0 };
  return jobOf(jobId, restarted, true);
}
