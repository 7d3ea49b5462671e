import { type AttemptUpdate, type Outcome, queueData } from '@cronium/contracts';
import { pause, waitFor } from '@cronium/lifecycle';
import { isReportable } from '../claim/claim.ts';
import { FencedError } from '../claim/fence.ts';
import type { Settlement, Unsettled } from '../journal/journal.ts';
import type { AttemptLog } from '../logs/attempt-log.ts';
import { classify } from '../outcome/classify.ts';
import type { Ending } from '../outcome/evidence.ts';
import { decide } from '../outcome/retry-policy.ts';
import { isRefusal } from '../report/results-client.ts';
import { type Attempt, HandOverError, SupersededError } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';

/** Removes what stands in Docker for an attempt. */
export type Teardown = () => Promise<void>;

/**
 * Brings an ended attempt home: the log is stored, then the outcome is made durable here, then told, then the queue is
 * settled. Nothing of a step is lost if this process dies after it.
 * @throws why the attempt was dropped
 */
export async function finish(
  attempt: Attempt,
  end: { readonly ending: Ending; readonly log: AttemptLog; readonly teardown: Teardown },
  deps: AttemptDeps,
): Promise<void> {
  const { ending, log, teardown } = end;
  attempt.seal();
  if (!isReportable(attempt.claim)) return dismiss(attempt, log, deps);
  if (attempt.state !== 'draining') attempt.moment('drain_started');
  deps.journal.closing(attempt.id);
  await storeLog(attempt, log, deps);
  attempt.moment('drain_ended');
  await attempt.sure();
  const unsettled = conclude(attempt, ending, log.lastLines, deps);
  deps.journal.end(unsettled.update, unsettled.settlement);
  await bringHome(attempt, unsettled, teardown, deps);
}

/** The last steps of an attempt whose outcome stands in the journal. */
export async function bringHome(
  attempt: Attempt,
  { update, settlement }: Unsettled,
  teardown: Teardown,
  deps: AttemptDeps,
): Promise<void> {
  const tornDown = tearDown(attempt, teardown, deps);
  // A sandbox that others go on with is let go of at once, and nothing is left to tell after the outcome.
  const isQuick = await settlesSoon(tornDown);
  const told = isQuick ? { ...update, timeline: attempt.update().timeline } : update;
  const answer = await deps.reporter.confirm(told, attempt.dropped);
  if (answer !== 'stored') throw new SupersededError(attempt.id, answer);
  await settle(attempt, settlement, deps);
  // The job may be taken again from here on, also by this node: the old lock must not be renewed beside the new one.
  attempt.lease.release();
  deps.onOutcome(update);
  await tornDown;
  if (!isQuick) deps.reporter.tell({ ...update, timeline: attempt.update().timeline });
  deps.journal.forget(attempt.id);
  deps.log.info(
    {
      attempt: attempt.id,
      state: update.outcome?.state,
      cause: update.outcome?.death?.cause,
      final: update.final,
    },
    'attempt ended',
  );
}

/** Does the promise resolve in this turn of the event loop? */
async function settlesSoon(promise: Promise<void>): Promise<boolean> {
  const turn = Promise.withResolvers<boolean>();
  setImmediate(() => turn.resolve(false));
  return Promise.race([promise.then(() => true), turn.promise]);
}

/** A job of another kind, which no producer of this fleet made, leaves the queue; nobody can be told of it. */
async function dismiss(attempt: Attempt, log: AttemptLog, deps: AttemptDeps): Promise<void> {
  log.abandon();
  deps.log.error(
    { job: attempt.claim.jobId, queue: attempt.claim.queue },
    'took a job out of the queue that is not of this fleet',
  );
  await settle(attempt, { type: 'complete' }, deps);
  deps.journal.forget(attempt.id);
  attempt.lease.release();
}

/** A log that results refuses for good must not hold the outcome back for ever. */
async function storeLog(attempt: Attempt, log: AttemptLog, deps: AttemptDeps): Promise<void> {
  try {
    await log.close(attempt.dropped);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    deps.log.error(
      { err: error, attempt: attempt.id },
      'results refuses a part of the log; the rest of it is given up',
    );
    log.abandon();
  }
}

function conclude(
  attempt: Attempt,
  ending: Ending,
  logTail: readonly string[],
  deps: AttemptDeps,
): { update: AttemptUpdate; settlement: Settlement } {
  const { claim } = attempt;
  const outcome: Outcome = classify(ending, {
    attempt: claim.attempt,
    at: Date.now(),
    node: deps.node,
    memoryLimitBytes: claim.payload.spec.resources.memoryMiB * 2 ** 20,
    image: attempt.image?.reference,
    logTail,
    host: ending.type === 'ran' ? ending.host : deps.hostFacts(),
  });
  const decision = decide({
    retry: claim.payload.spec.retry,
    outcome,
    attempt: claim.attempt,
    history: claim.history,
    hopeless: ending.type === 'unreadable' || ending.type === 'lost_too_often',
  });
  if (decision.final) {
    const update = attempt.update({ state: outcome.state, outcome, final: true });
    return { update, settlement: { type: 'complete' } };
  }
  const at = Date.now() + decision.delayMs;
  const data = queueData({ ...claim.payload, history: decision.history });
  const update = attempt.update({ state: 'queued', outcome, final: false, nextRunAt: at });
  return { update, settlement: { type: 'retry', at, data } };
}

const SETTLE_RETRY_MS = 500;

/**
 * Tells the queue, for as long as the lock is ours.
 * @throws FencedError when it is not, HandOverError when a successor of this process is to do it
 */
export async function settle(attempt: Attempt, settlement: Settlement, deps: AttemptDeps): Promise<void> {
  const { claim } = attempt;
  const queue = deps.queue(claim.queue);
  for (;;) {
    await waitFor(attempt.lease.sure(), attempt.released);
    try {
      const telling =
        settlement.type === 'complete'
          ? queue.complete(claim.jobId, claim.token, claim.keep)
          : queue.putBack(claim.jobId, claim.token, settlement.at - Date.now(), { data: settlement.data });
      if (await waitFor(telling, attempt.released)) return;
      throw new FencedError(attempt.id, 'the queue had given it to another worker');
    } catch (error) {
      if (error instanceof FencedError || error instanceof HandOverError) throw error;
      deps.log.warn({ err: error, attempt: attempt.id }, 'the queue could not be told; trying again');
      await pause(SETTLE_RETRY_MS, attempt.released);
    }
  }
}

/** Never rejects: what is left behind is removed by the reconciler. */
async function tearDown(attempt: Attempt, teardown: Teardown, deps: AttemptDeps): Promise<void> {
  attempt.moment('teardown_started');
  try {
    await teardown();
  } catch (error) {
    deps.log.warn(
      { err: error, attempt: attempt.id },
      'the sandbox could not be removed; the reconciler will',
    );
  }
  attempt.moment('teardown_ended');
}
