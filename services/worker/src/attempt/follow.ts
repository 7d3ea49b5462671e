import { firstOf, pause, waitFor } from '@cronium/lifecycle';
import type { AttemptLog } from '../logs/attempt-log.ts';
import { jobBytes } from '../logs/chunk-builder.ts';
import type { Ending } from '../outcome/evidence.ts';
import {
  type ExitReport,
  type LogItem,
  type LogOffsets,
  type MainEnd,
  type Sandbox,
  SandboxError,
  type ServedAttempt,
} from '../sandbox/runtime.ts';
import type { Attempt } from './attempt.ts';
import type { AttemptDeps } from './deps.ts';
import { phasesOf, recordMarker } from './phases.ts';
import { tokenSeconds } from './prepare.ts';

const REATTACH_MS = 1000;
const OVER = new Error('the job has ended');

/** What {@link follow} follows. */
export interface Following {
  readonly attempt: Attempt;
  readonly sandbox: Sandbox;
  readonly log: AttemptLog;
  /** Where the log is stored up to. */
  readonly from: LogOffsets;
  /** The limit of preparation, setup and preTask; it ends when the main program begins. */
  readonly setup: Disposable;
}

/**
 * Follows a launched sandbox to its end: its output, its phases, its time limits, the wishes of others.
 * @returns all that is known of the end, once every byte of output was handed to the log
 * @throws why the attempt was dropped
 */
export async function follow(following: Following, deps: AttemptDeps): Promise<Ending> {
  const { attempt, sandbox } = following;
  using timers = new PhaseTimers(following);
  using _sidecar = keepSidecar(following);
  const pumped = pump(following, deps, timers);
  pumped.catch(() => undefined);
  const exit = await untilExit(attempt, sandbox, deps);
  const host = deps.hostFacts();
  attempt.seal();
  deps.onExit(attempt.id);
  deps.store.revoke(attempt.jti, tokenSeconds(attempt, deps));
  attempt.moment('drain_started');
  if (attempt.state !== 'draining') attempt.enter('draining');
  const mainEnd = await pumped;
  // Only now: the marks of the main program may be the last thing that was read.
  recordMainEnd(attempt, exit);
  return {
    type: 'ran',
    exit,
    stop: attempt.stop,
    phases: phasesOf(attempt),
    container: sandbox.evidence(),
    mainEnd,
    host,
  };
}

/** A job without its runtime API cannot come to a good end: it is stopped, and run again. */
function keepSidecar({ attempt, sandbox }: Following): Disposable {
  const over = new AbortController();
  const signal = firstOf(over.signal, attempt.dropped);
  void sandbox.keepSidecar(signal).then((reason) => {
    if (reason !== undefined && !signal.aborted) attempt.requestStop({ type: 'sidecar_lost', reason });
  });
  return { [Symbol.dispose]: () => over.abort(OVER) };
}

async function untilExit(attempt: Attempt, sandbox: Sandbox, deps: AttemptDeps): Promise<ExitReport> {
  const exit = exitOf(attempt, sandbox);
  const stopped = Promise.withResolvers<'stop'>();
  const onStop = () => stopped.resolve('stop');
  attempt.stopping.addEventListener('abort', onStop, { once: true });
  if (attempt.stopping.aborted) onStop();
  try {
    const first = await Promise.race([exit, stopped.promise]);
    if (first !== 'stop') return first;
    deps.log.info({ attempt: attempt.id, stop: attempt.stop?.type }, 'stopping the job');
    // A signal would let a container that is held still go on.
    await Promise.race([attempt.sure(), exit]);
    await sandbox.kill(deps.limits.stopGraceMs);
    return await exit;
  } finally {
    attempt.stopping.removeEventListener('abort', onStop);
  }
}

async function exitOf(attempt: Attempt, sandbox: Sandbox): Promise<ExitReport> {
  for (;;) {
    try {
      return await waitFor(sandbox.exit(attempt.dropped), attempt.dropped);
    } catch (error) {
      attempt.dropped.throwIfAborted();
      if (!isDaemonAway(error)) throw error;
      await pause(REATTACH_MS, attempt.dropped);
    }
  }
}

function recordMainEnd(attempt: Attempt, exit: ExitReport): void {
  const started = attempt.at('main_started');
  if (!started) return;
  const finished = exit.type === 'exited' ? Date.parse(exit.finishedAt) : Number.NaN;
  const at = Math.max(started.at, Number.isFinite(finished) && finished > 0 ? finished : Date.now());
  const { stoodMs } = attempt.clock;
  attempt.moment('main_ended', at, {
    ...(exit.type === 'exited' ? { exitCode: exit.exitCode } : {}),
    ...(stoodMs > 0 ? { heldStillSeconds: stoodMs / 1000 } : {}),
  });
}

/**
 * Hands the output to the log. The daemon may go away and come back meanwhile.
 * @returns how the main program ended, where its log says so
 */
async function pump(
  following: Following,
  deps: AttemptDeps,
  timers: PhaseTimers,
): Promise<MainEnd | undefined> {
  const { attempt, log } = following;
  const { dropped } = attempt;
  let sandbox: Sandbox | undefined = following.sandbox;
  let offsets = following.from;
  let mainEnd: MainEnd | undefined;
  const take = async (item: LogItem) => {
    if (item.type === 'main_end') {
      mainEnd = item.how;
      return;
    }
    if (item.type === 'marker') {
      recordMarker(attempt, item.marker);
      timers.update();
      return;
    }
    const { record } = item;
    if (attempt.has('main_started') && !record.notice) attempt.moment('first_byte', record.time);
    const { missingBytes = 0 } = item;
    await log.write(record, dropped, missingBytes);
    const passed = jobBytes(record) + missingBytes;
    offsets = { ...offsets, [record.stream]: offsets[record.stream] + passed };
  };
  while (sandbox) {
    try {
      for await (const item of sandbox.output(offsets, dropped)) await take(item);
      dropped.throwIfAborted();
      return mainEnd;
    } catch (error) {
      dropped.throwIfAborted();
      if (!isDaemonAway(error)) throw error;
      deps.log.warn({ err: error, attempt: attempt.id }, 'the log broke off; taking it up again');
      sandbox = await reattach(following, deps, dropped);
    }
  }
  return mainEnd;
}

/** @returns undefined when the container is gone, and with it the rest of its log */
async function reattach(
  following: Following,
  deps: AttemptDeps,
  signal: AbortSignal,
): Promise<Sandbox | undefined> {
  for (;;) {
    await pause(REATTACH_MS, signal);
    try {
      return await waitFor(
        deps.runtime.adopt(following.sandbox.binding, servedBy(following.attempt)),
        signal,
      );
    } catch (error) {
      if (!isDaemonAway(error)) throw error;
    }
  }
}

/** What the attempt's sidecar must know, should it have to be started again. */
export function servedBy({ claim }: Attempt): ServedAttempt {
  return { payload: claim.payload, spec: claim.payload.spec };
}

export function isDaemonAway(error: unknown): boolean {
  return error instanceof SandboxError && error.code === 'docker';
}

/** The time limits: first of setup, then of the main program from its start. */
class PhaseTimers implements Disposable {
  readonly #attempt: Attempt;
  readonly #setup: Disposable;
  #main: Disposable | undefined;

  constructor({ attempt, setup }: Following) {
    this.#attempt = attempt;
    this.#setup = setup;
    this.update();
  }

  update(): void {
    const started = this.#attempt.at('main_started');
    if (!started || this.#main) return;
    this.#setup[Symbol.dispose]();
    const seconds = this.#attempt.claim.payload.spec.timeoutSeconds;
    // Of an adopted attempt a part is over. A clock that was set back must not make it longer than the whole.
    const { clock } = this.#attempt;
    const passedMs = Date.now() - started.at - clock.stoodMs;
    const leftMs = Math.min(seconds * 1000, Math.max(0, seconds * 1000 - passedMs));
    this.#main = clock.after(leftMs, () => this.#attempt.requestStop({ type: 'timed_out', seconds }));
  }

  [Symbol.dispose](): void {
    this.#setup[Symbol.dispose]();
    this.#main?.[Symbol.dispose]();
  }
}
