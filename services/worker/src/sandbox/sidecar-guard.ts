import { comesWithin, pause } from '@cronium/lifecycle';
import { inspectContainer, signalContainer } from './containers.ts';
import { type DockerClient, isDaemonAway, statusOf } from './docker.ts';
import type { ContainerEvents } from './events.ts';

const RETRY_MS = 500;
/** A start that fails may fail for the moment only. */
const REVIVALS = 3;
const DIED = { what: 'died', why: '' };

export interface SidecarGuardOptions {
  readonly client: DockerClient;
  readonly events: ContainerEvents;
  readonly sidecarId: string;
  /** Holds the job's network namespace; without it there is no way between the two. */
  readonly holderId: string;
  /** The container that the sidecar serves: when that has ended, nobody needs it. */
  readonly jobId: string;
  readonly inspectEveryMs: number;
  readonly askEveryMs: number;
  /** The sidecar has just taken its attempt, and events have been listened to since before it and the holder started. */
  readonly isFresh: boolean;
  /**
   * Asks the sidecar how it is.
   * @returns what is wrong; throws when it does not answer, or can't be asked
   */
  ask(signal: AbortSignal): Promise<string | undefined>;
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
 * Sees that an attempt keeps its sidecar: one that dies is started again, once, and one that runs but does not answer is
 * killed first. Its job's helpers try again meanwhile, so they notice nothing.
 */
export class SidecarGuard {
  readonly #options: SidecarGuardOptions;
  #restarts = 0;
  #isDown = false;
  #isKnown: boolean;
  /** What became of it last, and why that is thought. */
  #fate = DIED;

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
          await this.#stay(event.comes, signal);
          continue;
        }
        this.#isDown = true;
        // The daemon may have taken both along; and a job that has ended needs none.
        if (!(await this.#runs(this.#options.jobId, signal))) return undefined;
        if (!holderRuns) return 'the container that holds its network died';
        if (this.#restarts > 0)
          return `it ${this.#fate.what} again after it had been started again${this.#fate.why}`;
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
    return this.#isKnown && !events.hasAnyDied(sidecarId, holderId);
  }

  async #revive(signal: AbortSignal): Promise<string | undefined> {
    const { revive, onRevived } = this.#options;
    for (let tries = 1; ; tries++) {
      try {
        await revive();
        this.#restarts += 1;
        this.#isDown = false;
        this.#fate = DIED;
        onRevived();
        return undefined;
      } catch (error) {
        if (isDaemonAway(error)) throw error;
        if (tries === REVIVALS)
          return `it ${this.#fate.what} and could not be started again: ${wordsOf(error)}`;
        await pause(RETRY_MS * tries, signal);
      }
    }
  }

  async #runs(id: string, signal: AbortSignal): Promise<boolean> {
    const found = await inspectContainer(this.#options.client, id, { signal });
    return found?.State.Running ?? false;
  }

  #nextEvent(): Disposable & { readonly comes: Promise<void> } {
    const { events, sidecarId, holderId } = this.#options;
    const { promise, resolve } = Promise.withResolvers<void>();
    const forget = [sidecarId, holderId].map((id) => events.listen(id, resolve));
    const dispose = () => {
      for (const one of forget) one();
    };
    return { comes: promise, [Symbol.dispose]: dispose };
  }

  /** Asks a running sidecar how it is, until it is time to look at it, or it was killed because nothing else is left. */
  async #stay(event: Promise<void>, signal: AbortSignal): Promise<void> {
    const { askEveryMs, inspectEveryMs, client, sidecarId, jobId } = this.#options;
    const lookAt = performance.now() + inspectEveryMs;
    while (performance.now() < lookAt && !signal.aborted) {
      const leftMs = Math.min(askEveryMs, lookAt - performance.now());
      // Who listened no longer does.
      if (await comesWithin(event, leftMs, signal).catch(() => true)) return;
      const trouble = await this.#trouble(signal);
      if (trouble === undefined) continue;
      // A job that has ended needs none.
      if (!(await this.#runs(jobId, signal))) return;
      this.#fate = { what: 'stopped answering', why: `: ${trouble}` };
      await signalContainer(client, sidecarId, 'SIGKILL');
      return;
    }
  }

  /** What hung may have been the daemon, or this process: it is asked again when the daemon has answered. */
  async #trouble(signal: AbortSignal): Promise<string | undefined> {
    if ((await this.#ask(signal)) === undefined) return undefined;
    return (await this.#runs(this.#options.sidecarId, signal)) ? this.#ask(signal) : undefined;
  }

  async #ask(signal: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#options.ask(signal);
    } catch (error) {
      signal.throwIfAborted();
      if (isDaemonAway(error)) throw error;
      // The daemon could not ask it, which says nothing of the sidecar; of one that is paused it refuses to.
      if (Number(statusOf(error)) >= 500) return undefined;
      return wordsOf(error);
    }
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
