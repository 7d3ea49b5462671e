import type { JobState, LogPosition } from '@cronium/contracts';
import { retry } from '@cronium/lifecycle';
import { Attempt } from './attempt/attempt.ts';
import type { AttemptDeps } from './attempt/deps.ts';
import { bringHome, finish } from './attempt/finish.ts';
import { follow, servedBy } from './attempt/follow.ts';
import { keepFenced } from './attempt/freezer.ts';
import { giveUp } from './attempt/give-up.ts';
import { openLog } from './attempt/log.ts';
import { phasesOf } from './attempt/phases.ts';
import { setupDeadline } from './attempt/prepare.ts';
import type { Lease } from './claim/leases.ts';
import type { JournalEntry } from './journal/journal.ts';
import type { AttemptLog } from './logs/attempt-log.ts';
import { type End, runJob } from './run-job.ts';
import type { SandboxBinding } from './sandbox/runtime.ts';

/** Takes up the record of an attempt of a former process whose lock was just extended. */
export function reopenAttempt(entry: JournalEntry, lease: Lease, deps: AttemptDeps): Attempt {
  const { claim, timeline, binding, stood, stop, jti = claim.token } = entry;
  const attempt = new Attempt({ claim, lease, jti, timeline, stood, stop, state: stateOf(entry) }, deps);
  attempt.image = binding?.image;
  return attempt;
}

function stateOf({ phase, timeline }: JournalEntry): JobState {
  const has = (moment: string) => timeline.some((entry) => entry.moment === moment);
  if (phase === 'claimed') return 'claimed';
  if (has('drain_started')) return 'draining';
  return has('main_started') ? 'running' : 'preparing';
}

/**
 * Goes on with an attempt of a former process of this node, from wherever that one died, without running user code a
 * second time. Never rejects; see {@link runJob}.
 */
export async function resumeJob(attempt: Attempt, entry: JournalEntry, deps: AttemptDeps): Promise<void> {
  if (entry.unsettled) return bringOldHome(attempt, entry, deps);
  if (entry.phase === 'claimed') return runAfresh(attempt, deps);
  const opened: Opened = {};
  try {
    const end = await takeBack({ attempt, entry, opened }, deps);
    deps.onExit(attempt.id);
    await finish(attempt, end, deps);
  } catch (error) {
    await giveUp(attempt, { log: opened.log ?? openLog(attempt, deps), error }, deps);
  }
}

/** No user code has run: what stands of the sandbox is removed and the same attempt begins again. */
async function runAfresh(attempt: Attempt, deps: AttemptDeps): Promise<void> {
  try {
    await deps.runtime.purge(attempt.claim);
  } catch (error) {
    return giveUp(attempt, { log: openLog(attempt, deps), error }, deps);
  }
  // Its sandbox may have been held still, and its time with it.
  attempt.clock.go();
  return runJob(attempt, deps);
}

async function bringOldHome(attempt: Attempt, { unsettled }: JournalEntry, deps: AttemptDeps): Promise<void> {
  if (!unsettled) return;
  deps.onExit(attempt.id);
  attempt.seal();
  try {
    await bringHome(attempt, unsettled, () => deps.runtime.purge(attempt.claim), deps);
  } catch (error) {
    await giveUp(attempt, { log: openLog(attempt, deps), error }, deps);
  }
}

/** Results may be away at the start too: the container runs on meanwhile. */
function positionOf(attempt: Attempt, deps: AttemptDeps): Promise<LogPosition> {
  return retry(() => deps.results.logPosition(attempt.id, attempt.dropped), {
    signal: attempt.dropped,
    attempts: Number.POSITIVE_INFINITY,
    maxMs: 5000,
    onRetry: ({ error }) =>
      deps.log.warn({ err: error, attempt: attempt.id }, 'where the log goes on is not known yet'),
  });
}

/** The log once it was opened, also when what follows fails. */
interface Opened {
  log?: AttemptLog;
}

interface Taking {
  readonly attempt: Attempt;
  readonly entry: JournalEntry;
  readonly opened: Opened;
}

/**
 * A request of the former process may come to results after the successor has asked where the log goes on: its chunk would
 * stand where the successor's was to go. So the place is claimed first, and asked for again.
 */
async function takeBackLog(
  { attempt, opened }: Pick<Taking, 'attempt' | 'opened'>,
  deps: AttemptDeps,
): Promise<{ readonly log: AttemptLog; readonly position: LogPosition }> {
  for (;;) {
    const position = await positionOf(attempt, deps);
    const log = openLog(attempt, deps, position);
    opened.log = log;
    if (position.complete) return { log, position };
    await log.claim(attempt.dropped);
    const now = await positionOf(attempt, deps);
    if (now.nextChunk === position.nextChunk + 1 && isSamePlace(now, position)) return { log, position };
    log.abandon();
  }
}

function isSamePlace(one: LogPosition, other: LogPosition): boolean {
  return (
    one.nextSeq === other.nextSeq &&
    one.stdoutEnd === other.stdoutEnd &&
    one.stderrEnd === other.stderrEnd &&
    one.complete === other.complete
  );
}

async function takeBack(
  { attempt, entry, opened }: Taking,
  deps: AttemptDeps,
): Promise<End & { readonly log: AttemptLog }> {
  const { phase, binding } = entry;
  const teardown = () => deps.runtime.purge(attempt.claim);
  const isBound = phase === 'bound' || !binding;
  if (isBound) await teardown();
  const sandbox = isBound ? undefined : await adopt(binding, attempt, deps);
  // Before anything else is waited for: whether the job is ours may be in doubt.
  using _fenced = sandbox && keepFenced(attempt, sandbox, { isFrozen: undefined, deps });
  const { log, position } = await takeBackLog({ attempt, opened }, deps);
  if (isBound) return { ending: { type: 'handover_unknown' }, teardown, log };
  if (!sandbox) return { ending: { type: 'gone_unseen', phases: phasesOf(attempt) }, teardown, log };
  deps.log.info({ attempt: attempt.id, container: binding.containerId }, 'took the running container back');
  using setup = setupDeadline(attempt, deps, () => log.isHeldBack);
  const from = { stdout: position.stdoutEnd, stderr: position.stderrEnd };
  const ending = await follow({ attempt, sandbox, log, setup, from }, deps);
  return { ending, teardown: () => sandbox.release(), log };
}

function adopt(binding: SandboxBinding, attempt: Attempt, deps: AttemptDeps) {
  return retry(() => deps.runtime.adopt(binding, servedBy(attempt)), {
    signal: attempt.dropped,
    attempts: Number.POSITIVE_INFINITY,
    maxMs: 2000,
  });
}
