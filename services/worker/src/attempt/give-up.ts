import { queueData } from '@cronium/contracts';
import { isReportable } from '../claim/claim.ts';
import { FencedError } from '../claim/fence.ts';
import type { Settlement } from '../journal/journal.ts';
import type { AttemptLog } from '../logs/attempt-log.ts';
import { type Attempt, HandOverError, SupersededError } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';
import { settle } from './finish.ts';
import { NoCapacityError } from './provisions.ts';

/**
 * Ends this process's part in an attempt that it does not bring to an outcome. Never rejects.
 *
 * - handed over: everything stays as it is, for the successor;
 * - no room: the job goes back, and this was no attempt;
 * - fenced or superseded: the container is killed, nothing is reported;
 * - anything else is a fault of the machinery: the container is killed, the lock runs out, and the job is run again.
 */
export async function giveUp(
  attempt: Attempt,
  { log, error }: { readonly log: AttemptLog; readonly error: unknown },
  deps: AttemptDeps,
): Promise<void> {
  log.abandon();
  if (error instanceof HandOverError) return;
  try {
    if (error instanceof NoCapacityError) await putBack(attempt, error, deps);
    else await remove(attempt, error, deps);
  } catch (failure) {
    deps.log.error(
      { err: failure, attempt: attempt.id },
      'an attempt could not be put away; its lock runs out',
    );
  } finally {
    deps.journal.forget(attempt.id);
    attempt.lease.release();
  }
}

async function putBack(attempt: Attempt, error: NoCapacityError, deps: AttemptDeps): Promise<void> {
  deps.log.info(
    { attempt: attempt.id, why: error.message },
    'the job cannot start now and goes back to the queue',
  );
  const { payload } = attempt.claim;
  const settlement: Settlement = {
    type: 'retry',
    at: Date.now() + error.delayMs,
    data: queueData({ ...payload, postponed: payload.postponed + 1 }),
  };
  await settle(attempt, settlement, deps);
  if (isReportable(attempt.claim)) deps.reporter.tell(attempt.update({ state: 'queued' }));
}

async function remove(attempt: Attempt, error: unknown, deps: AttemptDeps): Promise<void> {
  deps.reporter.drop(attempt.id);
  deps.store.revoke(attempt.jti, Math.ceil(attempt.claim.payload.spec.timeoutSeconds));
  if (error instanceof FencedError || error instanceof SupersededError) {
    deps.log.warn({ err: error, attempt: attempt.id }, 'the attempt is no longer ours; killing it');
  } else {
    deps.log.error({ err: error, attempt: attempt.id }, 'an attempt broke; it will be run again');
  }
  await deps.runtime.purge(attempt.claim);
  // The job has its end already: without this it would be claimed again and again.
  if (error instanceof SupersededError && error.answer === 'ended') {
    await settle(attempt, { type: 'complete' }, deps);
  }
}
