import type { Attempt } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';
import { NoCapacityError } from './provisions.ts';

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const DOUBLINGS = 6;

/**
 * Makes sure that this job alone runs under its tenant's concurrency key. A job that must wait goes back to the queue for
 * a while, longer each time, and holds no slot meanwhile.
 * @throws NoCapacityError when another job runs under the key, or Valkey does not say
 */
export async function holdConcurrencyKey({ claim }: Attempt, deps: AttemptDeps): Promise<void> {
  const { payload, jobId, queue } = claim;
  const { tenant, postponed, spec } = payload;
  const { concurrencyKey: key } = spec;
  if (key === undefined) return;
  const doubled = FIRST_WAIT_MS * 2 ** Math.min(postponed, DOUBLINGS);
  // Spread, so that many that wait don't come back together.
  const delayMs = Math.min(LONGEST_WAIT_MS, doubled) * (0.75 + Math.random() / 2);
  let holder: string;
  try {
    holder = await deps.store.holdKey({ tenant, key, queue, jobId });
  } catch (error) {
    throw new NoCapacityError('its concurrency key could not be looked up', { cause: error, delayMs });
  }
  if (holder !== jobId) throw new NoCapacityError(`${holder} runs under its concurrency key`, { delayMs });
}
