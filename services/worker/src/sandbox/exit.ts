import { comesWithin, pause } from '@cronium/lifecycle';
import type { ContainerInspectInfo } from 'dockerode';
import { inspectContainer, short } from './containers.ts';
import type { DaemonEpoch, DaemonRun } from './daemon-epoch.ts';
import type { DockerClient } from './docker.ts';
import type { ContainerEvents } from './events.ts';
import type { ExitReport } from './runtime.ts';

const RETRY_MS = 500;
const REMOVAL_POLL_MS = 50;
/** Many jobs end sooner than this: such a one is looked at once, when the daemon says that it has died. */
const SHORT_JOB_MS = 100;
/** An exit code above it may stand for a signal. */
const SIGNAL_BASE = 128;
/** How far the events may be behind what inspection says. */
const EVENT_MS = 1000;
/** From the news of an end to that of the kill behind it, someone's or the kernel's. */
const KILL_EVENT_MS = 200;

export interface ExitWatch {
  readonly client: DockerClient;
  readonly events: ContainerEvents;
  readonly epoch: DaemonEpoch;
  readonly containerId: string;
  /** The daemon's run when the container started, where that is known. */
  readonly startedIn: DaemonRun | undefined;
  /** It ran a moment ago, and what the daemon says of it has been listened to since before its start. */
  readonly justLaunched?: boolean;
  readonly inspectEveryMs: number;
  readonly signal: AbortSignal;
  /** Told the container's first process, as the daemon's host numbers it, each time it is seen running. */
  onRunning(pid: number): void;
}

/**
 * Waits until a container has stopped and says how. What `inspect` says counts; `wait`, events and a timer are only
 * reasons to look. A daemon that is away is waited for.
 */
export async function watchExit(watch: ExitWatch): Promise<ExitReport> {
  const hasDied = () => watch.events.of(watch.containerId).hasDied;
  if (watch.justLaunched) await heard(watch, hasDied, SHORT_JOB_MS);
  for (;;) {
    const found = await whenAnswered(watch, (signal) =>
      inspectContainer(watch.client, watch.containerId, { signal }),
    );
    if (found === undefined) return { type: 'vanished' };
    const { Status: status } = found.State;
    if (status === 'exited') return confirm(watch, found);
    if (status === 'removing' || status === 'dead') await pause(REMOVAL_POLL_MS, watch.signal);
    else {
      if (status === 'running') watch.onRunning(found.State.Pid);
      await nextReasonToLook(watch);
    }
  }
}

/**
 * Is the end the container's own, or did the daemon take it along? A daemon that stops kills its containers and reports
 * 137 as if they had failed, and after a crash it may not know. So a new connection must show the same run of the daemon.
 */
async function confirm(watch: ExitWatch, { State }: ContainerInspectInfo): Promise<ExitReport> {
  const { StartedAt: startedAt, ExitCode: exitCode } = State;
  const life = { startedIn: watch.startedIn, startedAt, exitCode };
  const shown = await whenAnswered(watch, () => watch.epoch.former(life));
  if (shown !== undefined) {
    const detail = `the Docker daemon was restarted (${shown}); the container stopped at ${State.FinishedAt} with code ${State.ExitCode}, which may be the daemon's doing`;
    return { type: 'daemon', detail };
  }
  await evidenceIsIn(watch, State.ExitCode);
  return {
    type: 'exited',
    exitCode: State.ExitCode,
    // The daemon notes it only when it hears of it before the end.
    oomKilled: State.OOMKilled || watch.events.of(watch.containerId).oomEvents > 0,
    startedAt: State.StartedAt,
    finishedAt: State.FinishedAt,
    error: State.Error,
  };
}

/**
 * Who asked for a kill, and whether the kernel killed for memory, is in the events, and those can come after that of the
 * end. Waits for them where the exit code may be a signal's.
 */
async function evidenceIsIn(watch: ExitWatch, exitCode: number): Promise<void> {
  if (exitCode <= SIGNAL_BASE) return;
  const { events, containerId } = watch;
  await heard(watch, () => events.of(containerId).hasDied, EVENT_MS);
  const isExplained = () => {
    const { kills, oomEvents } = events.of(containerId);
    return kills.length > 0 || oomEvents > 0;
  };
  await heard(watch, isExplained, KILL_EVENT_MS);
}

/** Resolves when the events of the container say so, or after this time. */
async function heard(
  { events, containerId, signal }: ExitWatch,
  isSaid: () => boolean,
  milliseconds: number,
): Promise<void> {
  const said = Promise.withResolvers<void>();
  const look = () => {
    if (isSaid()) said.resolve();
  };
  const unlisten = events.listen(containerId, look);
  try {
    look();
    await comesWithin(said.promise, milliseconds, signal);
  } finally {
    unlisten();
  }
}

/** Asks until the daemon answers. */
async function whenAnswered<T>(watch: ExitWatch, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask(watch.signal);
    } catch {
      watch.signal.throwIfAborted();
      await pause(RETRY_MS, watch.signal);
    }
  }
}

/** Resolves when the daemon says that the container has stopped, an event comes, the connection breaks, or time passes. */
async function nextReasonToLook(watch: ExitWatch): Promise<void> {
  const { client, events, containerId, signal } = watch;
  const over = new AbortController();
  const changed = Promise.withResolvers<void>();
  const unlisten = events.listen(containerId, changed.resolve);
  const stop = () => over.abort(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    await Promise.race([
      changed.promise,
      pause(watch.inspectEveryMs, over.signal),
      client
        .call({
          operation: `wait for container ${short(containerId)}`,
          method: 'POST',
          path: `/containers/${containerId}/wait`,
          query: { condition: 'not-running' },
          timeoutMs: Infinity,
          signal: over.signal,
        })
        // However it ended, inspection says what is the case; not at once, should the daemon be away.
        .catch(() => pause(RETRY_MS, over.signal)),
    ]);
  } finally {
    unlisten();
    signal.removeEventListener('abort', stop);
    over.abort(new Error('no longer waited for'));
  }
}
