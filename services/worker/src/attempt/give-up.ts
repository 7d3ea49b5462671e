import { queueData } from '@cronium/contracts';
import { retry } from '@cronium/lifecycle';
import { isReportable } from '../claim/claim.ts';
import { FencedError } from '../claim/fence.ts';
import type { Settlement } from '../journal/journal.ts';
import type { AttemptLog } from '../logs/attempt-log.ts';
import { type Attempt, SupersededError } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';
import { settle } from './finish.ts';
import { isDaemonAway } from './follow.ts';
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
  // Whatever went wrong since: the successor has it.
  if (attempt.handedOver.aborted) return;
  try {
    if (error instanceof NoCapacityError) await putBack(attempt, error, deps);
    else await remove(attempt, error, deps);
  } catch (failure) {
    if (attempt.handedOver.aborted) return;
    deps.log.error(
      { err: failure, attempt: attempt.id },
      'an attempt could not be put away; its lock runs out',
    );
  }
  deps.journal.forget(attempt.id);
  attempt.lease.release();
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
  await purge(attempt, deps);
  // The job has its end already: without this it would be claimed again and again.
  if (error instanceof SupersededError && error.answer === 'ended') {
    await settle(attempt, { type: 'complete' }, deps);
  }
}

const PURGE_RETRY_MS = 500;

/** An attempt is not over while its container may stand: a daemon that is away is waited for. */
async function purge(attempt: Attempt, deps: AttemptDeps): Promise<void> {
  await retry(() => deps.runtime.purge(attempt.claim), {
    signal: attempt.handedOver,
    attempts: Number.POSITIVE_INFINITY,
    baseMs: PURGE_RETRY_MS,
    maxMs: PURGE_RETRY_MS,
    when: isDaemonAway,
    onRetry: ({ error }) =>
      deps.log.warn({ err: error, attempt: attempt.id }, 'its container could not be removed yet'),
  });
}
