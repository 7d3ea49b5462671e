import { type JobSpec, queuePayload, readQueueData } from '@cronium/contracts';
import type { Gate } from '../claim/gate.ts';
import type { JobQueue } from '../claim/queue.ts';

/** Obstacles after which this node takes no jobs for long; what it made ready under another worker's name, that one would remove. */
const LASTING: ReadonlySet<string> = new Set(['drain', 'stop', 'name']);

/**
 * The next jobs of these queues that this node may get.
 * @returns undefined when it shall take none
 */
export async function forecastFor(
  queues: readonly Pick<JobQueue, 'peek'>[],
  { gate, limit }: { readonly gate: Pick<Gate, 'obstacles'>; readonly limit: number },
): Promise<readonly JobSpec[] | undefined> {
  if (gate.obstacles().some(({ name }) => LASTING.has(name))) return undefined;
  const payloads = await Promise.all(queues.map((queue) => queue.peek(limit)));
  return payloads.flat().flatMap(specOf);
}

/** A payload that cannot be read is of no kind; its attempt will say so. */
function specOf(payload: string): JobSpec[] {
  try {
    return [queuePayload.parse(readQueueData(payload)).spec];
  } catch {
    return [];
  }
}
