/** Waits for a time; throws the signal's reason when it aborts first. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => reject(signal?.reason);
  const timer = setTimeout(resolve, milliseconds);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** How long to pause before try `attempt` (from 2): doubles each time, and is drawn at random below that bound. */
export function backoffMs(attempt: number, { baseMs = 200, maxMs = 5000 } = {}): number {
  const bound = Math.min(maxMs, baseMs * 2 ** (attempt - 2));
  return bound / 2 + (Math.random() * bound) / 2;
}
