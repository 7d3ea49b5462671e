import { type QueueRecord, queueName, queueOf } from '@cronium/contracts';
import { z } from 'zod';
import type { OpenJob } from '../queries/accounts.ts';
import type { Queues } from '../queue/queues.ts';

const placed = z.object({
  spec: z.looseObject({
    pool: z.string().default('default'),
    requires: z.record(z.string(), z.string()).default({}),
    services: z.array(z.string()).default([]),
  }),
});

/** The queue in which a job belongs, by its stored payload. */
export function recordOf(job: Pick<OpenJob, 'payload'>): QueueRecord & { readonly name: string } {
  const record = queueOf(placed.parse(JSON.parse(job.payload)).spec);
  return { name: queueName(record), ...record };
}

/** Which of the jobs have no data in their queue any more. */
export async function missingFrom<T extends Pick<OpenJob, 'id' | 'payload'>>(
  queues: Queues,
  jobs: readonly T[],
): Promise<T[]> {
  const byQueue = Map.groupBy(jobs, (job) => recordOf(job).name);
  const missing: T[] = [];
  for (const [name, own] of byQueue) {
    const there = await queues.existing(
      name,
      own.map(({ id }) => id),
    );
    missing.push(...own.filter(({ id }) => !there.has(id)));
  }
  return missing;
}
