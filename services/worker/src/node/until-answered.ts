import { retry } from '@cronium/lifecycle';

/** So long a node that starts waits for Valkey's word; then it goes on without. */
export const ANSWER_MS = 1000;
const ASK_MS = 50;

/** Asks until there is an answer. @throws when the signal aborts first */
export function untilAnswered<T>(ask: () => Promise<T>, signal: AbortSignal): Promise<T> {
  return retry(ask, { signal, attempts: Number.POSITIVE_INFINITY, baseMs: ASK_MS, maxMs: ASK_MS });
}
