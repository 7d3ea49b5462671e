import { randomUUID } from 'node:crypto';
import type { CancelRequest } from '@cronium/contracts';
import { deadline } from '@cronium/lifecycle';
import { askToBegin } from './attempt/admission.ts';
import { Attempt } from './attempt/attempt.ts';
import { holdConcurrencyKey } from './attempt/concurrency.ts';
import type { AttemptDeps } from './attempt/deps.ts';
import { finish, type Teardown } from './attempt/finish.ts';
import { follow } from './attempt/follow.ts';
import { keepFenced } from './attempt/freezer.ts';
import { giveUp } from './attempt/give-up.ts';
import { openLog } from './attempt/log.ts';
import { askForNeeds, type Needs, prepare, setupDeadline } from './attempt/prepare.ts';
import { type Claim, isReportable } from './claim/claim.ts';
import type { Lease } from './claim/leases.ts';
import type { AttemptLog } from './logs/attempt-log.ts';
import type { Ending } from './outcome/evidence.ts';
import { isLostTooOften } from './outcome/retry-policy.ts';
import { type Sandbox, SandboxError } from './sandbox/runtime.ts';

/** How an attempt ended, and how what stands in Docker for it is removed. */
export interface End {
  readonly ending: Ending;
  readonly teardown: Teardown;
}

const NOTHING_STANDS: Teardown = async () => undefined;

/** Begins the record of an attempt that was just claimed. */
export function openAttempt(claim: Claim, lease: Lease, deps: AttemptDeps): Attempt {
  const attempt = new Attempt({ claim, lease, jti: randomUUID() }, deps);
  deps.journal.open(claim, attempt.jti);
  attempt.moment('claimed', claim.claimedAt);
  return attempt;
}

/**
 * The story of one attempt, from its claim to its end. A job's failure is an outcome and not an error: it resolves in
 * either case. It never rejects; what goes wrong with the machinery ends the attempt without a word, its lock runs out,
 * and the job is run again.
 */
export async function runJob(attempt: Attempt, deps: AttemptDeps): Promise<void> {
  const log = openLog(attempt, deps);
  try {
    if (isReportable(attempt.claim)) attempt.tell();
    const end = await endOf(attempt, log, deps);
    deps.onExit(attempt.id);
    await finish(attempt, { ...end, log }, deps);
  } catch (error) {
    await giveUp(attempt, { log, error }, deps);
  }
}

/** What can be taken back is begun while it is asked whether the attempt may run. */
async function endOf(attempt: Attempt, log: AttemptLog, deps: AttemptDeps): Promise<End> {
  using _begun = beginSandbox(attempt.claim, deps);
  const needs = askForNeeds(attempt, deps);
  return (await endedBefore(attempt, deps)) ?? (await runAlone(attempt, { log, needs }, deps));
}

function beginSandbox(claim: Claim, { runtime }: AttemptDeps): Disposable | undefined {
  if (claim.unreadable !== undefined) return undefined;
  const { jobId, attempt, attemptId, payload } = claim;
  return runtime.begin({ jobId, attempt, attemptId, payload, spec: payload.spec });
}

/** Ends that are known before anything is made. */
async function endedBefore(attempt: Attempt, deps: AttemptDeps): Promise<End | undefined> {
  const { unreadable, history } = attempt.claim;
  const end = (ending: Ending) => ({ ending, teardown: NOTHING_STANDS });
  if (unreadable !== undefined) return end({ type: 'unreadable', reason: unreadable });
  const cancel = await cancelOf(attempt.claim, deps);
  if (cancel) attempt.requestStop({ type: 'cancelled', by: cancel.by, reason: cancel.reason });
  if (attempt.stop) return end({ type: 'stopped_early', stop: attempt.stop });
  if (isLostTooOften(history)) return end({ type: 'lost_too_often', losses: history.losses });
  return undefined;
}

/** A wish that cannot be read now is looked for again with every renewal of the lock. */
async function cancelOf(claim: Claim, deps: AttemptDeps): Promise<CancelRequest | undefined> {
  try {
    return await deps.store.cancelRequest(claim);
  } catch (error) {
    deps.log.warn({ err: error, job: claim.jobId }, 'whether the job was cancelled could not be read yet');
    return undefined;
  }
}

/** What an attempt has from its beginning on. */
interface Begun {
  readonly log: AttemptLog;
  readonly needs: Needs;
}

/** Runs the attempt when no other job runs under its concurrency key. */
async function runAlone(attempt: Attempt, begun: Begun, deps: AttemptDeps): Promise<End> {
  await holdConcurrencyKey(attempt, deps);
  return run(attempt, begun, deps);
}

/** Makes the sandbox, sends the program, follows it to its end. */
async function run(attempt: Attempt, { log, needs }: Begun, deps: AttemptDeps): Promise<End> {
  let isAsking = false;
  using setup = setupDeadline(attempt, deps, () => log.isHeldBack || isAsking);
  attempt.enter('preparing');
  const sandbox = await prepare(attempt, needs, deps).finally(() => deps.onPrepared(attempt.id));
  if ('type' in sandbox) return { ending: sandbox, teardown: NOTHING_STANDS };
  const teardown = () => sandbox.release();
  using _fenced = keepFenced(attempt, sandbox, { isFrozen: false, deps });
  isAsking = true;
  await askToBegin(attempt, deps);
  isAsking = false;
  await attempt.sure();
  if (attempt.stop) return { ending: { type: 'stopped_early', stop: attempt.stop }, teardown };
  // The binding is durable before user code can run: a successor finds the container by it.
  deps.journal.bind(attempt.id, sandbox.binding);
  await attempt.sure();
  const refused = await launch(sandbox, attempt, deps);
  if (refused) return { ending: refused, teardown };
  deps.journal.launched(attempt.id);
  const ending = await follow({ attempt, sandbox, log, setup, from: { stdout: 0, stderr: 0 } }, deps);
  return { ending, teardown };
}

/** A container that ended before it had its program says by its exit what happened. */
const EXIT_MS = 2000;

/** @returns the ending when the container stands and yet does not take its program */
async function launch(sandbox: Sandbox, attempt: Attempt, deps: AttemptDeps): Promise<Ending | undefined> {
  deps.log.debug({ attempt: attempt.id, container: sandbox.binding.containerId }, 'sending the program');
  try {
    await sandbox.launch();
    return undefined;
  } catch (error) {
    if (!(error instanceof SandboxError)) throw error;
    deps.log.warn({ err: error, attempt: attempt.id }, 'the container did not take its program');
    using limit = deadline(EXIT_MS, 'the container has not ended', attempt.dropped);
    const hasEnded = await sandbox.exit(limit).then(
      () => true,
      () => false,
    );
    await attempt.sure();
    if (hasEnded) return undefined;
    await sandbox.kill(0);
    return { type: 'unprepared', code: 'docker', message: error.message, statusCode: error.statusCode };
  }
}
