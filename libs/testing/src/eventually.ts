import { setTimeout as pause } from 'node:timers/promises';

/** How {@link eventually} waits. */
export interface EventuallyOptions {
  /** What is awaited, for the message when it never comes: "the job is running". */
  readonly what: string;
  /** Default 60,000: a limit that only a hang reaches, also on a busy machine. */
  readonly timeoutMs?: number;
  /** Default 50. */
  readonly everyMs?: number;
}

/**
 * Calls a check until it neither throws nor gives `undefined` or `false`; returns what it gives.
 * @throws Error that names what was awaited, with the check's last failure as its cause
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { what, timeoutMs = 60_000, everyMs = 50 }: EventuallyOptions,
): Promise<Exclude<T, undefined | false>> {
  const endsAt = performance.now() + timeoutMs;
  let failure: unknown;
  do {
    try {
      const value = await check();
      if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
      failure = `the check gave ${String(value)}`;
    } catch (error) {
      failure = error;
    }
    await pause(everyMs);
  } while (performance.now() < endsAt);
  const last = failure instanceof Error ? failure.message : String(failure);
  throw new Error(`not within ${timeoutMs} ms: ${what}. Last: ${last}`, { cause: failure });
}
