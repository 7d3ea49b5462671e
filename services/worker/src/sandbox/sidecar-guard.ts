import { pause } from '@cronium/lifecycle';
import { inspectContainer } from './containers.ts';
import { type DockerClient, isDaemonAway } from './docker.ts';
import type { ContainerEvents } from './events.ts';

const RETRY_MS = 500;
/** A start that fails may fail for the moment only. */
const REVIVALS = 3;

export interface SidecarGuardOptions {
  readonly client: DockerClient;
  readonly events: ContainerEvents;
  readonly sidecarId: string;
  /** Holds the job's network namespace; without it there is no way between the two. */
  readonly holderId: string;
  /** The container that the sidecar serves: when that has ended, nobody needs it. */
  readonly jobId: string;
  readonly inspectEveryMs: number;
  /** The sidecar has just taken its attempt, and events have been listened to since before it and the holder started. */
  readonly isFresh: boolean;
  /** Starts the container again and gives it its attempt. */
  revive(): Promise<void>;
  onRevived(): void;
}

/** What became of an attempt's sidecar. */
export interface SidecarState {
  /** How often it was started again. */
  readonly restarts: number;
  /** It does not run, and was not started again. */
  readonly isDown: boolean;
}

/**
 * Sees that an attempt keeps its sidecar: one that dies is started again, once. Its job's helpers try again for some
 * seconds, so they notice nothing.
 */
export class SidecarGuard {
  readonly #options: SidecarGuardOptions;
  #restarts = 0;
  #isDown = false;
  #isKnown: boolean;

  constructor(options: SidecarGuardOptions) {
    this.#options = options;
    this.#isKnown = options.isFresh;
  }

  get state(): SidecarState {
    return { restarts: this.#restarts, isDown: this.#isDown };
  }

  /**
   * Watches until the signal aborts or the job container ends.
   * @returns why the sidecar is gone for good; `undefined` when nobody needs it any more
   */
  async run(signal: AbortSignal): Promise<string | undefined> {
    while (!signal.aborted) {
      // Listened to before it is looked at: nothing falls in between.
      using event = this.#nextEvent();
      try {
        const { sidecarId, holderId } = this.#options;
        const holderRuns = this.#isSound() || (await this.#runs(holderId, signal));
        if (holderRuns && (this.#isSound() || (await this.#runs(sidecarId, signal)))) {
          this.#isKnown = false;
          await this.#reasonToLook(event.comes, signal);
          continue;
        }
        this.#isDown = true;
        // The daemon may have taken both along; and a job that has ended needs none.
        if (!(await this.#runs(this.#options.jobId, signal))) return undefined;
        if (!holderRuns) return 'the container that holds its network died';
        if (this.#restarts > 0) return 'it died again after it had been started again';
        const failure = await this.#revive(signal);
        if (failure !== undefined) return failure;
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!isDaemonAway(error)) return `it could not be looked at: ${wordsOf(error)}`;
        await pause(RETRY_MS, signal).catch(() => undefined);
      }
    }
    return undefined;
  }

  /** Is it known without a look that both run? Once: later, an event or time is a reason to look. */
  #isSound(): boolean {
    const { events, sidecarId, holderId } = this.#options;
    return this.#isKnown && !events.of(sidecarId).hasDied && !events.of(holderId).hasDied;
  }

  async #revive(signal: AbortSignal): Promise<string | undefined> {
    const { revive, onRevived } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        await revive();
        this.#restarts += 1;
        this.#isDown = false;
        onRevived();
        return undefined;
      } catch (error) {
        if (isDaemonAway(error)) throw error;
        if (tries === REVIVALS) return `it died and could not be started again: ${wordsOf(error)}`;
        await pause(RETRY_MS * tries, signal);
      }
    }
  }

  async #runs(id: string, signal: AbortSignal): Promise<boolean> {
    const found = await inspectContainer(this.#options.client, id, { signal });
    return found?.State.Running ?? false;
  }

  #nextEvent(): Disposable & { readonly comes: Promise<void> } {
    const { events, sidecarId } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    return { comes: promise, [Symbol.dispose]: events.listen(sidecarId, resolve) };
  }

  /** An event of the sidecar, or time passes. */
  async #reasonToLook(event: Promise<void>, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const ends = AbortSignal.any([signal, over.signal]);
    await Promise.race([event, pause(this.#options.inspectEveryMs, ends).catch(() => undefined)]);
    over.abort();
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
