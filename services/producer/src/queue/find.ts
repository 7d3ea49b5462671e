import { type QueuePayload, queueKey, queuePayload, readQueueData, readRecord } from '@cronium/contracts';
import { replies, withValkey } from '../valkey/connection.ts';
import type { FleetQueues } from './queues.ts';

/** A job that is in one of the queues. */
export interface QueuedJob {
  readonly queue: string;
  readonly tenant: string;
  /** It has ended, and is there only because it came with an Idempotency-Key. */
  readonly ended: boolean;
  /** `undefined` when the payload is of another version. */
  readonly payload: QueuePayload | undefined;
}

/** Looks for a job in all queues; `undefined` when it is in none, or belongs to another tenant. */
export async function findJob(
  queues: FleetQueues,
  jobId: string,
  tenant: string,
): Promise<QueuedJob | undefined> {
  const names = await withValkey(() => queues.valkey.hkeys(queues.keys.queues));
  const pipeline = queues.valkey.pipeline();
  for (const name of names) pipeline.hmget(queueKey(queues.prefix, name, jobId), 'data', 'finishedOn');
  const found = replies(await withValkey(() => pipeline.exec()))
    .map((reply, i) => readJob(names[i] ?? '', reply))
    .find((job) => job !== undefined);
  return found?.tenant === tenant ? found : undefined;
}

function readJob(queue: string, reply: unknown): QueuedJob | undefined {
  const [data, finishedOn] = Array.isArray(reply) ? reply : [];
  if (typeof data !== 'string') return undefined;
  const payload = readRecord(queuePayload, data, readQueueData);
  if (payload === undefined) return { queue, tenant: '', ended: false, payload };
  return { queue, tenant: payload.tenant, ended: typeof finishedOn === 'string', payload };
}
