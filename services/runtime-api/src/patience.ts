import { pause } from '@cronium/lifecycle';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;
const MIN_LEFT_MS = 1000;

/**
 * How long one request waits for a service that is away. A job should outlast an outage of Valkey or results of 30 s,
 * and have as much again to spare: with the helpers' 3 tries, calls that wait 20 s each carry it over a minute.
 */
export class Patience {
  readonly #milliseconds: number;
  readonly #sinceMs = performance.now();
  readonly #untilMs: number;
  readonly #signal: AbortSignal;
  #pauseMs = FIRST_PAUSE_MS;

  /** @param signal ends the waiting early; its reason is thrown */
  constructor(milliseconds: number, signal: AbortSignal) {
    this.#milliseconds = milliseconds;
    this.#untilMs = this.#sinceMs + milliseconds;
    this.#signal = signal;
  }

  /** What is left of a time that began with the request; a second at least. */
  leftOf(milliseconds: number): number {
    return Math.max(MIN_LEFT_MS, this.#sinceMs + milliseconds - performance.now());
  }

  /** As much patience, from now on, but for no longer than this. */
  anew(longestMs: number): Patience {
    return new Patience(Math.min(this.#milliseconds, longestMs), this.#signal);
  }

  /** Waits until the time is over. @throws the signal's reason */
  spend(): Promise<void> {
    return pause(Math.max(0, this.#untilMs - performance.now()), this.#signal);
  }

  /**
   * Calls `run` until it succeeds, it fails with an error that is not worth a wait, or the time is over.
   * @throws the last error of `run`, or the signal's reason
   */
  async outlast<T>(run: () => Promise<T>, isPassing: (error: unknown) => boolean): Promise<T> {
    for (;;) {
      this.#signal.throwIfAborted();
      try {
        return await run();
      } catch (error) {
        if (!isPassing(error) || performance.now() + this.#pauseMs > this.#untilMs) throw error;
      }
      await pause(this.#pauseMs, this.#signal);
      this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
    }
  }
}
