import { pause, waitFor } from '@cronium/lifecycle';
import { isContainerRunning, setPaused, signalContainer } from '../containers.ts';
import { guardOf, type SandboxContext } from '../docker-sandbox.ts';
import { endsAfterKill, endsWithin, letGoOf } from '../ending.ts';
import { watchExit } from '../exit.ts';
import { openValues } from '../masked-values.ts';
import {
  type ContainerEvidence,
  type ExitReport,
  type LogItem,
  type LogOffsets,
  type Sandbox,
  type SandboxBinding,
  SandboxError,
} from '../runtime.ts';
import type { SidecarGuard } from '../sidecar-guard.ts';
import type { SidecarDuty } from '../slot/sidecar.ts';
import { evidenceSince } from './evidence.ts';
import { terminate } from './terminate.ts';
import { exitOf, type Turn } from './turn.ts';
import { StoredTurn, type TurnSource, turnOutput } from './turn-output.ts';

const RETRY_MS = 500;

export interface AdoptedOptions {
  readonly context: SandboxContext;
  readonly binding: SandboxBinding;
  readonly duty: SidecarDuty;
  /** May the program still run? That of an earlier turn has ended. */
  isLast(): boolean;
  leave(sandbox: AdoptedBatchSandbox): Promise<void>;
}

/**
 * A turn of a former process of this node, in a container whose stdin is at its end: it ends by itself after the turn.
 * All that is known of the turn stands in Docker's log.
 */
export class AdoptedBatchSandbox implements Sandbox {
  readonly binding: SandboxBinding;
  readonly #options: AdoptedOptions;
  readonly #over = new AbortController();
  readonly #guard: SidecarGuard;
  #turn: Turn | undefined;
  #exit: Promise<ExitReport> | undefined;
  #released: Promise<void> | undefined;

  constructor(options: AdoptedOptions) {
    this.#options = options;
    this.binding = options.binding;
    const { context, binding, duty } = options;
    this.#guard = guardOf(context, binding, { duty, signal: this.#over.signal });
    void this.#watch();
  }

  async launch(): Promise<void> {
    throw new SandboxError(
      'docker',
      `the sandbox of ${this.binding.attemptId} was launched by a former process`,
    );
  }

  output(from: LogOffsets, signal: AbortSignal): AsyncIterable<LogItem> {
    return turnOutput(this.#source(), from, signal);
  }

  exit(signal: AbortSignal): Promise<ExitReport> {
    return waitFor(this.#watch(), signal);
  }

  freeze(): Promise<void> {
    return this.#setPaused(true);
  }

  thaw(): Promise<void> {
    return this.#setPaused(false);
  }

  async kill(graceMs: number): Promise<void> {
    if (this.#turn?.end !== undefined || !this.#options.isLast()) return;
    const { client } = this.#options.context;
    const pid = this.#turn?.pid ?? 0;
    if (graceMs > 0 && pid > 1) {
      await terminate(client, this.binding.containerId, pid);
      if (await endsWithin(this, graceMs)) return;
    }
    await signalContainer(client, this.binding.containerId, 'SIGKILL');
    await endsAfterKill(this);
  }

  evidence(): ContainerEvidence {
    const { events } = this.#options.context;
    const sidecar = this.#guard.state;
    const { sidecarId, holderId, containerId } = this.binding;
    return evidenceSince(events.of(containerId), 0, {
      oomKills: this.#turn?.end?.oomKills,
      sidecarDied: sidecar.isDown || events.hasAnyDied(sidecarId, holderId),
      sidecar,
    });
  }

  /** Only while its own turn runs: then the sidecar is bound to the next one's attempt. */
  async keepSidecar(signal: AbortSignal): Promise<string | undefined> {
    if (!this.#options.isLast()) return undefined;
    const ended = new AbortController();
    const end = () => ended.abort();
    this.#watch().then(end, end);
    return this.#guard.run(AbortSignal.any([signal, this.#over.signal, ended.signal]));
  }

  release(): Promise<void> {
    this.detach();
    this.#released ??= this.#options.leave(this);
    return this.#released;
  }

  detach(): void {
    this.#over.abort(letGoOf(this.binding));
  }

  async #setPaused(paused: boolean): Promise<void> {
    if (this.#turn?.end !== undefined || !this.#options.isLast()) return;
    await setPaused(this.#options.context.client, this.binding.containerId, paused);
  }

  #watch(): Promise<ExitReport> {
    this.#exit ??= this.#untilExit();
    // Whoever asks gets the failure; nobody has to ask.
    this.#exit.catch(() => undefined);
    return this.#exit;
  }

  async #untilExit(): Promise<ExitReport> {
    const { signal } = this.#over;
    for (;;) {
      const stored = new StoredTurn(this.#source(), signal);
      this.#turn = stored.turn;
      // Only its marks count here.
      for await (const _ of stored.read());
      const { end } = stored.turn;
      if (end !== undefined) return exitOf(end);
      if (stored.isAll) return this.#exitOfContainer();
      await pause(RETRY_MS, signal);
    }
  }

  #exitOfContainer(): Promise<ExitReport> {
    const { client, events, epoch, limits } = this.#options.context;
    return watchExit({
      ...{ client, events, epoch, containerId: this.binding.containerId },
      startedIn: undefined,
      inspectEveryMs: limits.inspectEveryMs,
      signal: this.#over.signal,
      onRunning: () => undefined,
    });
  }

  #source(): TurnSource {
    const { client, maskKey } = this.#options.context;
    const { containerId, nonce, masked, batch } = this.binding;
    return {
      ...{ client, containerId, nonce, live: undefined, hello: batch?.hello ?? '' },
      masked: openValues(masked, maskKey),
      isRunning: (signal) => isContainerRunning(client, containerId, signal),
    };
  }
}
