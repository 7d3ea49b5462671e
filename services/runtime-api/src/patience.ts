import { pause } from '@cronium/lifecycle';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;

/**
 * How long one request waits for a service that is away. Requests of a job should outlast a restart of Valkey or
 * results: with the helpers' 3 tries, calls of 10 s each carry a job over 30 s.
 */
export class Patience {
  readonly #untilMs: number;
  readonly #signal: AbortSignal;
  #pauseMs = FIRST_PAUSE_MS;

  /** @param signal ends the waiting early; its reason is thrown */
  constructor(milliseconds: number, signal: AbortSignal) {
    this.#untilMs = performance.now() + milliseconds;
    this.#signal = signal;
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
