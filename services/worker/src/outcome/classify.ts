import type { DeathCause, DeathPhase, DeathRecord, Outcome, TerminalState } from '@cronium/contracts';
import type { ContainerEvidence, ExitReport } from '../sandbox/runtime.ts';
import type { Circumstances, Ending, Phases, Stop } from './evidence.ts';
import * as say from './messages.ts';
import { normalSignal, signalOfExitCode } from './signals.ts';

/** What was concluded, before it is put into the shape of a death record. */
interface Verdict {
  readonly state: TerminalState;
  readonly cause: DeathCause;
  readonly certainty: DeathRecord['certainty'];
  readonly phase: DeathPhase;
  readonly message: string;
  readonly exitCode?: number | null;
  readonly signal?: string | null;
}

type Ran = Extract<Ending, { type: 'ran' }>;
type Exited = Extract<ExitReport, { type: 'exited' }>;

/**
 * Concludes from all evidence how an attempt ended. Pure and total. Exit code 137 alone proves nothing: an out-of-memory
 * kill, `docker kill`, `exit 137` and a daemon's shutdown all give it, so each needs evidence of its own.
 */
export function classify(ending: Ending, facts: Circumstances): Outcome {
  if (ending.type === 'ran' && succeeded(ending)) return success(ending, facts);
  const verdict = conclude(ending, facts);
  const exitCode = verdict.exitCode ?? null;
  const death: DeathRecord = {
    attempt: facts.attempt,
    cause: verdict.cause,
    certainty: verdict.certainty,
    phase: verdict.phase,
    exitCode,
    signal: verdict.signal ?? null,
    message: verdict.message,
    evidence: evidenceOf(ending, facts),
    at: new Date(facts.at).toISOString(),
  };
  return { state: verdict.state, exitCode, death };
}

/** Exit code 0 counts only when the main program is known to have begun and nobody stopped it. */
function succeeded({ exit, stop, phases }: Ran): boolean {
  return (
    exit.type === 'exited' &&
    exit.exitCode === 0 &&
    !stop &&
    phases.main !== undefined &&
    !phases.main.unrunnable
  );
}

/** A child may have been killed for memory all the same: that stands in the record (and is no failure). */
function success(ending: Ran, facts: Circumstances): Outcome {
  const base = { state: 'succeeded', exitCode: 0, death: null } as const;
  const notable = memoryWasShort(ending) || ending.container.sidecarDied;
  return notable ? { ...base, evidence: evidenceOf(ending, facts) } : base;
}

function conclude(ending: Ending, facts: Circumstances): Verdict {
  switch (ending.type) {
    case 'unreadable':
      return before('failed', 'setup', say.unreadable(ending.reason));
    case 'stopped_early':
      return stopped(ending.stop, 'preparing', null);
    case 'unprepared':
      return unprepared(ending);
    case 'lost_too_often':
      return before('lost', 'node_lost', say.lostTooOften(ending.losses));
    case 'handover_unknown':
      return { ...before('lost', 'node_lost', say.handoverUnknown(facts.node)), certainty: 'certain' };
    case 'gone_unseen':
      return {
        state: 'lost',
        cause: 'node_lost',
        certainty: 'likely',
        phase: phaseOf(ending.phases),
        message: say.goneUnseen(facts.node),
      };
    case 'ran':
      return ran(ending, facts);
  }
}

function before(state: TerminalState, cause: DeathCause, message: string): Verdict {
  return { state, cause, certainty: 'certain', phase: 'preparing', message };
}

function unprepared({ code, message }: Extract<Ending, { type: 'unprepared' }>): Verdict {
  switch (code) {
    case 'image':
      return before('failed', 'image', message);
    case 'service':
      return before('failed', 'setup', message);
    case 'sidecar':
      return before('lost', 'sidecar', message);
    case 'docker':
      return before('lost', 'daemon', message);
  }
}

function stopped(stop: Stop, phase: DeathPhase, exitCode: number | null): Verdict {
  const signal = exitCode === null ? null : (signalOfExitCode(exitCode) ?? null);
  const rest = { certainty: 'certain', phase, exitCode, signal } as const;
  switch (stop.type) {
    case 'cancelled':
      return { ...rest, state: 'cancelled', cause: 'cancelled', message: say.cancelled(stop) };
    case 'timed_out':
      return { ...rest, state: 'timed_out', cause: 'timed_out', message: say.timedOut(stop.seconds) };
    case 'sidecar_lost':
      return { ...rest, state: 'lost', cause: 'sidecar', message: say.sidecarLost(stop.reason) };
    case 'setup_timeout':
      return { ...rest, state: 'timed_out', cause: 'setup', message: say.setupTimedOut(stop.seconds, phase) };
  }
}

function ran(ending: Ran, facts: Circumstances): Verdict {
  const { exit, stop, phases } = ending;
  const phase = phaseOf(phases);
  const exitCode = exit.type === 'exited' ? exit.exitCode : null;
  if (stop) return stopped(stop, phase, exitCode);
  switch (exit.type) {
    case 'daemon':
      return {
        state: 'lost',
        cause: 'daemon',
        certainty: 'certain',
        phase,
        message: say.daemon(exit.detail),
      };
    case 'vanished':
      return { state: 'failed', cause: 'killed', certainty: 'certain', phase, message: say.vanished() };
    case 'exited':
      return exited(exit, ending, phase, facts);
  }
}

/** The order matters: what is proven comes before what is only likely. */
function exited(exit: Exited, ending: Ran, phase: DeathPhase, facts: Circumstances): Verdict {
  const base = { phase, exitCode: exit.exitCode, signal: signalOfExitCode(exit.exitCode) ?? null } as const;
  if (exit.exitCode === 137 && memoryWasShort(ending)) return outOfMemory(ending, base, facts);
  const killer = matchingKill(ending.container, exit.exitCode);
  if (killer)
    return { ...base, state: 'failed', cause: 'killed', certainty: 'certain', message: say.killed(killer) };
  return (
    failedSetup(ending.phases, base) ??
    unstartable(exit, ending, base, facts) ??
    sidecarGone(ending, base) ??
    ownEnd(exit, ending, base)
  );
}

/** 137 is also what a shell returns whose last program was killed: then the main program has lived through it. */
function outOfMemory({ mainEnd, exit }: Ran, base: Base, facts: Circumstances): Verdict {
  const rest = { ...base, state: 'failed', cause: 'oom', certainty: 'certain' } as const;
  if (mainEnd === 'exited') return { ...rest, signal: null, message: say.oomOfChild(facts.memoryLimitBytes) };
  const byLimit = exit.type === 'exited' && exit.oomKilled;
  return { ...rest, message: byLimit ? say.oom(facts.memoryLimitBytes) : say.oomOfHost() };
}

type Base = Pick<Verdict, 'phase'> & { readonly exitCode: number; readonly signal: string | null };

function failedSetup(phases: Phases, base: Base): Verdict | undefined {
  for (const phase of ['tenantPreTask', 'setup', 'preTask'] as const) {
    const facts = phases[phase];
    if (!facts?.ended || !facts.exitCode) continue;
    const { exitCode } = facts;
    const signal = signalOfExitCode(exitCode) ?? null;
    const message = say.setupFailed(phase, exitCode);
    return {
      ...base,
      state: 'failed',
      cause: 'setup',
      certainty: 'certain',
      phase: phase === 'tenantPreTask' ? 'preTask' : phase,
      exitCode,
      signal,
      message,
    };
  }
  return undefined;
}

function unstartable(exit: Exited, { phases }: Ran, base: Base, facts: Circumstances): Verdict | undefined {
  if (phases.main?.unrunnable) {
    const message = say.unrunnable(exit.exitCode, facts.image);
    return { ...base, state: 'failed', cause: 'image', certainty: 'certain', signal: null, message };
  }
  if (exit.error !== '') {
    const message = say.notStarted(exit.error, facts.image);
    return { ...base, state: 'failed', cause: 'image', certainty: 'likely', signal: null, message };
  }
  if (Object.keys(phases).length > 0) return undefined;
  const message = say.endedBeforeProgram(exit.exitCode);
  return { ...base, state: 'lost', cause: 'exit', certainty: 'unknown', phase: 'preparing', message };
}

function sidecarGone({ container }: Ran, base: Base): Verdict | undefined {
  if (!container.sidecarIsDown || base.exitCode === 0) return undefined;
  return {
    ...base,
    state: 'lost',
    cause: 'sidecar',
    certainty: 'likely',
    message: say.sidecarDied(base.exitCode),
  };
}

function ownEnd(exit: Exited, ending: Ran, base: Base): Verdict {
  const memory = memoryWasShort(ending);
  const { mainEnd } = ending;
  if (base.signal === null || mainEnd === 'exited') {
    const certainty = memory ? 'likely' : 'certain';
    const message =
      base.signal === null
        ? say.exited(exit.exitCode, base.phase, memory)
        : say.exitedLikeSignal(exit.exitCode, base.signal);
    return { ...base, signal: null, state: 'failed', cause: 'exit', certainty, message };
  }
  if (mainEnd === 'signalled') {
    const message = say.diedOf(base.signal);
    return { ...base, state: 'failed', cause: 'signal', certainty: 'certain', message };
  }
  // 128 + n is what a shell says of a signal, and what any program may return: likely, never certain. For SIGKILL not
  // even that, because a host's own out-of-memory killer leaves no other trace.
  const certainty = base.signal === 'SIGKILL' ? 'unknown' : 'likely';
  const message = say.signalled(base.signal, exit.exitCode);
  return { ...base, state: 'failed', cause: 'signal', certainty, message };
}

function memoryWasShort({ exit, container }: Ran): boolean {
  return (exit.type === 'exited' && exit.oomKilled) || oomKillsOf(container) > 0;
}

function oomKillsOf({ oomEvents, oomKills = 0 }: ContainerEvidence): number {
  return Math.max(oomEvents, oomKills);
}

/** A signal that was sent through Docker's API and fits the exit code. */
function matchingKill({ kills }: ContainerEvidence, exitCode: number): string | undefined {
  const died = signalOfExitCode(exitCode);
  return kills.map(({ signal }) => normalSignal(signal)).find((signal) => signal === died);
}

/** The last phase that had begun. */
function phaseOf(phases: Phases): DeathPhase {
  if (phases.main) return 'main';
  if (phases.preTask) return 'preTask';
  if (phases.setup) return 'setup';
  return phases.tenantPreTask ? 'preTask' : 'preparing';
}

function evidenceOf(ending: Ending, facts: Circumstances): DeathRecord['evidence'] {
  const common = { logTail: [...facts.logTail], host: { ...facts.host }, events: [] };
  if (ending.type !== 'ran') return { ...common, memoryLimitBytes: facts.memoryLimitBytes };
  const { container, exit } = ending;
  return {
    ...common,
    oomKilled: exit.type === 'exited' && exit.oomKilled,
    oomKills: oomKillsOf(container),
    memoryLimitBytes: facts.memoryLimitBytes,
    events: container.events.map(({ action, at, attributes }) => ({
      action,
      at,
      attributes: { ...attributes },
    })),
    ...(ending.mainEnd === undefined ? {} : { mainEnd: ending.mainEnd }),
    ...(container.sidecarDied ? { sidecarDied: true, sidecarRestarts: container.sidecarRestarts } : {}),
    ...(container.memoryPeakBytes === undefined ? {} : { memoryPeakBytes: container.memoryPeakBytes }),
  };
}
