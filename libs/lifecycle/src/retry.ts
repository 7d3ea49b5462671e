import { pause } from './wait.ts';

/** How {@link retry} tries again. */
export interface RetryOptions {
  readonly signal: AbortSignal;
  /** Tries in all, the first one included. `Infinity` goes on until the signal aborts. Default 5. */
  readonly attempts?: number;
  /** The pause before the second try is at most this long; it doubles with each try. Default 100. */
  readonly baseMs?: number;
  /** No pause is longer. Default 10,000. */
  readonly maxMs?: number;
  /**
   * `full` (the default) draws each pause evenly from 0 to the bound, so that many who failed together don't return
   * together; `none` pauses for the bound itself.
   */
  readonly jitter?: 'full' | 'none';
  /** Is another try worth it? Default: always. */
  when?(error: unknown): boolean;
  /** Told before each pause, for the log. */
  onRetry?(failure: RetriedFailure): void;
}

/** One failed try that will be followed by another. */
export interface RetriedFailure {
  readonly error: unknown;
  /** Which try failed, from 1. */
  readonly attempt: number;
  readonly pauseMs: number;
}

/**
 * Calls a function until it succeeds, it may not be tried again, or the signal aborts.
 * @throws the last error of the function, or the signal's reason
 */
export async function retry<T>(
  run: (context: { attempt: number; signal: AbortSignal }) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { signal, attempts = 5, when = () => true } = options;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await run({ attempt, signal });
    } catch (error) {
      signal.throwIfAborted();
      if (attempt >= attempts || !when(error)) throw error;
      const pauseMs = pauseBefore(attempt + 1, options);
      options.onRetry?.({ error, attempt, pauseMs });
      await pause(pauseMs, signal);
    }
  }
}

/** How long to pause before a try (from 2). */
export function pauseBefore(
  attempt: number,
  options: Pick<RetryOptions, 'baseMs' | 'maxMs' | 'jitter'>,
): number {
  const { baseMs = 100, maxMs = 10_000, jitter = 'full' } = options;
  const bound = Math.min(maxMs, baseMs * 2 ** Math.min(attempt - 2, 52));
  return jitter === 'full' ? Math.random() * bound : bound;
}
