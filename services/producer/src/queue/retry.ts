import { queueName } from '@cronium/contracts';
import type { NewJob } from '../intake/new-job.ts';
import type { EndedJob } from '../results.ts';
import { replies, withValkey } from '../valkey/connection.ts';
import type { FleetQueues } from './queues.ts';

/** An ended job that is to run again. */
export type RetryJob = EndedJob & { readonly jobId: string };

/**
 * Puts ended jobs back into their queues. Their attempts count on from where they were; delays and wishes to cancel
 * from before don't hold any more.
 * A job that is already back in its queue stays as it is.
 */
export async function retryJobs(queues: FleetQueues, jobs: readonly RetryJob[], by: string): Promise<void> {
  if (jobs.length === 0) return;
  await withValkey(async () => {
    await queues.valkey.unlink(...jobs.map(({ jobId }) => queues.keys.cancel(jobId)));
    await removeEnded(queues, jobs);
  });
  await queues.addAgain(jobs.map(again), by);
}

/** A job that came with an Idempotency-Key is still in the queue as completed, and would hide its own retry. */
async function removeEnded(queues: FleetQueues, jobs: readonly RetryJob[]): Promise<void> {
  const pipeline = queues.valkey.pipeline();
  for (const { jobId, payload } of jobs)
    pipeline.hget(`${queues.prefix}:${queueName(payload.spec)}:${jobId}`, 'finishedOn');
  const finished = replies(await pipeline.exec());
  await Promise.all(
    jobs
      .filter((_, i) => finished[i] !== null)
      .map(({ jobId, payload }) => queues.open(queueName(payload.spec)).remove(jobId)),
  );
}

function again({ jobId, payload, attempts }: RetryJob): NewJob {
  const now = Date.now();
  return {
    id: jobId,
    kept: true,
    payload: { ...payload, receivedAt: now, acceptedAt: now, attemptBase: attempts, postponed: 0 },
  };
}
