import { deadline, firstOf, waitFor } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import { isContainerRunning, setPaused, signalContainer } from './containers.ts';
import type { DaemonEpoch, DaemonRun } from './daemon-epoch.ts';
import type { DockerClient } from './docker.ts';
import { endsAfterKill, endsWithin, letGoOf } from './ending.ts';
import type { EntryProgram } from './entry-program.ts';
import type { ContainerEvents } from './events.ts';
import { watchExit } from './exit.ts';
import type { LiveOutput } from './log/live.ts';
import { jobOutput } from './log/output.ts';
import { openValues } from './masked-values.ts';
import type { MemoryWatch } from './memory.ts';
import type { Limits } from './options.ts';
import { removeJob } from './removal.ts';
import {
  type ContainerEvidence,
  type ExitReport,
  type LogItem,
  type LogOffsets,
  type Sandbox,
  type SandboxBinding,
  SandboxError,
} from './runtime.ts';
import { SidecarGuard } from './sidecar-guard.ts';
import { askSidecar, reviveSidecar, type SidecarDuty } from './slot/sidecar.ts';
import type { SubnetAllocator } from './subnets.ts';

const SEND_MS = 30_000;
/** The daemon tells of a container's end within some milliseconds of the end of its output. */
const EXIT_SOON_MS = 250;

/** What all sandboxes of a runtime share. */
export interface SandboxContext {
  readonly client: DockerClient;
  readonly events: ContainerEvents;
  readonly epoch: DaemonEpoch;
  readonly memory: MemoryWatch;
  readonly subnets: SubnetAllocator;
  readonly limits: Limits;
  /** Opens what a binding keeps sealed. */
  readonly maskKey: Buffer;
  readonly logger: Pick<Logger, 'debug' | 'warn'>;
  /** Does this engine leave out the newline of a long line's last piece in its stored log? */
  losesNewlines(): boolean;
}

/** A prepared sandbox's own side: its connection, over which all of its program but the word to begin was sent. */
export interface Fresh {
  readonly live: LiveOutput;
  readonly go: EntryProgram['go'];
}

export interface SandboxOptions {
  readonly duty: SidecarDuty;
  readonly fresh?: Fresh;
  readonly startedIn?: DaemonRun | undefined;
  /** Called when the program was sent. */
  onLaunched?(): void;
  /** Called when the container has ended. */
  onExited?(): void;
  /** Called before the job container is removed. Resolves when nothing else is being done to it. */
  settle?(): Promise<void>;
  leave(): Promise<void>;
}

/** A sandbox of Docker containers. */
export class DockerSandbox implements Sandbox {
  readonly binding: SandboxBinding;
  readonly #context: SandboxContext;
  readonly #startedIn: DaemonRun | undefined;
  readonly #leave: () => Promise<void>;
  readonly #settle: (() => Promise<void>) | undefined;
  readonly #onLaunched: (() => void) | undefined;
  readonly #onExited: (() => void) | undefined;
  readonly #over = new AbortController();
  readonly #guard: SidecarGuard;
  #isReleased = false;
  #live: LiveOutput | undefined;
  #go: Buffer | undefined;
  #exit: Promise<ExitReport> | undefined;
  readonly #isFresh: boolean;

  /**
   * @param options `fresh` for one just made, `startedIn` is the daemon's run then; `leave` gives the slot back, once,
   *   when the job container is gone
   */
  constructor(context: SandboxContext, binding: SandboxBinding, options: SandboxOptions) {
    this.#context = context;
    this.binding = binding;
    this.#leave = options.leave;
    this.#settle = options.settle;
    this.#onLaunched = options.onLaunched;
    this.#onExited = options.onExited;
    this.#isFresh = options.fresh !== undefined;
    this.#guard = guardOf(context, binding, {
      duty: options.duty,
      signal: this.#over.signal,
      isFresh: this.#isFresh,
    });
    this.#live = options.fresh?.live;
    this.#go = options.fresh?.go;
    this.#startedIn = options.startedIn;
    if (!options.fresh) void this.#watch();
  }

  async launch(): Promise<void> {
    const go = this.#go;
    if (go === undefined || this.#live === undefined) {
      throw new SandboxError(
        'docker',
        `the sandbox of ${this.binding.attemptId} was launched before, or by a former process`,
      );
    }
    this.#go = undefined;
    void this.#watch();
    using limit = deadline(SEND_MS, 'send the program');
    try {
      await waitFor(this.#live.send(go), limit);
      this.#onLaunched?.();
    } catch (error) {
      const message = `the program could not be sent to the container of ${this.binding.attemptId}`;
      throw new SandboxError('docker', message, { cause: error });
    }
  }

  output(from: LogOffsets, signal: AbortSignal): AsyncIterable<LogItem> {
    const live = this.#live;
    const { masked } = this.binding;
    // The live stream is there once, and from the beginning; whoever asks again reads the stored log.
    this.#live = undefined;
    return jobOutput(
      {
        client: this.#context.client,
        containerId: this.binding.containerId,
        nonce: this.binding.nonce,
        masked: openValues(masked, this.#context.maskKey),
        live,
        losesNewlines: this.#context.losesNewlines(),
        isRunning: (abort) => this.#isRunning(abort),
      },
      from,
      signal,
    );
  }

  exit(signal: AbortSignal): Promise<ExitReport> {
    return waitFor(this.#watch(), signal);
  }

  freeze(): Promise<void> {
    return setPaused(this.#context.client, this.binding.containerId, true);
  }

  thaw(): Promise<void> {
    return setPaused(this.#context.client, this.binding.containerId, false);
  }

  async kill(graceMs: number): Promise<void> {
    const { client } = this.#context;
    await signalContainer(client, this.binding.containerId, 'SIGTERM');
    if (await endsWithin(this, graceMs)) return;
    await signalContainer(client, this.binding.containerId, 'SIGKILL');
    await endsAfterKill(this);
  }

  evidence(): ContainerEvidence {
    const { events, memory } = this.#context;
    const { events: list, kills, oomEvents } = events.of(this.binding.containerId);
    const counts = memory.of(this.binding.containerId);
    const { sidecarId, holderId } = this.binding;
    return {
      events: [...list],
      kills: [...kills],
      oomEvents,
      sidecarDied: events.hasAnyDied(sidecarId, holderId),
      sidecarRestarts: this.#guard.state.restarts,
      sidecarIsDown: this.#guard.state.isDown,
      oomKills: counts.oomKills,
      memoryPeakBytes: counts.peakBytes,
    };
  }

  keepSidecar(signal: AbortSignal): Promise<string | undefined> {
    return this.#guard.run(firstOf(signal, this.#over.signal));
  }

  /** Removes the job's container, and lets go of nothing: who follows it sees that it vanished. */
  async removeContainer(): Promise<void> {
    const { client, limits } = this.#context;
    await this.#settle?.();
    await removeJob(client, this.binding.containerId, limits.releaseMs);
  }

  async release(): Promise<void> {
    this.detach();
    await this.removeContainer();
    // Once: the slot may be another attempt's soon.
    if (this.#isReleased) return;
    this.#isReleased = true;
    await this.#leave();
  }

  /** Lets go of the container and leaves it as it is: another process of this node may adopt it. */
  detach(): void {
    const { containerId } = this.binding;
    this.#over.abort(letGoOf(this.binding));
    this.#live?.close();
    this.#context.events.forget(containerId);
    this.#context.memory.forget(containerId);
  }

  #watch(): Promise<ExitReport> {
    if (this.#exit) return this.#exit;
    const { client, events, epoch, limits, memory } = this.#context;
    const { containerId } = this.binding;
    this.#exit = watchExit({
      client,
      events,
      epoch,
      containerId,
      startedIn: this.#startedIn,
      justLaunched: this.#isFresh,
      inspectEveryMs: limits.inspectEveryMs,
      signal: this.#over.signal,
      onRunning: (pid) => void (client.isLocal && memory.track(containerId, pid)),
    });
    // Whoever asks gets the failure; nobody has to ask.
    this.#exit.then(
      () => this.#onExited?.(),
      () => undefined,
    );
    return this.#exit;
  }

  /** Output mostly ends because the container has: who waits for that need not ask the daemon again. */
  async #exitSoon(signal: AbortSignal): Promise<ExitReport | undefined> {
    using limit = deadline(EXIT_SOON_MS, 'exit', signal);
    return this.exit(limit).catch(() => undefined);
  }

  async #isRunning(signal: AbortSignal): Promise<boolean | undefined> {
    const exit = await this.#exitSoon(signal);
    if (exit !== undefined) return exit.type === 'vanished' ? undefined : false;
    return isContainerRunning(this.#context.client, this.binding.containerId, signal);
  }
}

/** What keeps the sidecar of a sandbox alive. */
export function guardOf(
  { client, events, limits, logger }: SandboxContext,
  { sidecarId, holderId, containerId, attemptId }: SandboxBinding,
  {
    duty,
    signal,
    isFresh = false,
  }: { readonly duty: SidecarDuty; readonly signal: AbortSignal; readonly isFresh?: boolean },
): SidecarGuard {
  return new SidecarGuard({
    ...{ client, events, sidecarId, holderId, isFresh },
    jobId: containerId,
    inspectEveryMs: limits.inspectEveryMs,
    askEveryMs: limits.sidecarAskMs,
    ask: (abort) =>
      askSidecar(client, sidecarId, { line: duty.line, answerMs: limits.sidecarAnswerMs, signal: abort }),
    revive: () => reviveSidecar(client, sidecarId, { duty, readyMs: limits.sidecarReadyMs, signal }),
    onRevived: () => logger.warn({ attempt: attemptId }, 'the sidecar was lost and started again'),
  });
}
