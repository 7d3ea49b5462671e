import { deadline, waitFor } from '@cronium/lifecycle';

export interface StalledWatchOptions {
  readonly lockMs: number;
  /** Puts jobs back whose lock is gone. */
  moveStalled(): Promise<unknown>;
  /** Does the store answer? Fails at once while there is no connection. */
  ping(): Promise<unknown>;
  /** Monotonic milliseconds. */
  now?(): number;
}

/**
 * Looks for jobs whose worker has gone silent. Only a store that has answered for a whole lock's time is looked at: locks
 * run out while it is away, and every worker gets as long as a lock lives to renew its own before anyone takes them.
 */
export class StalledWatch {
  readonly #options: StalledWatchOptions;
  #answersSince: number | undefined;

  constructor(options: StalledWatchOptions) {
    this.#options = options;
  }

  /** Looks once, if the store has been there for long enough. @throws when the store does not answer */
  async look(): Promise<void> {
    const { lockMs, moveStalled, ping } = this.#options;
    try {
      using limit = deadline(lockMs / 3, 'Valkey does not answer');
      await waitFor(ping(), limit);
    } catch (error) {
      this.#answersSince = undefined;
      throw error;
    }
    // From the answer on, not from the question: that may have waited for a connection.
    this.#answersSince ??= this.#now();
    if (this.#now() - this.#answersSince >= lockMs) await moveStalled();
  }

  /** The connection was lost: the store may have been away. */
  broken(): void {
    this.#answersSince = undefined;
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }
}
