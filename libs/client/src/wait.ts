import type { BatchView, JobView } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import { CroniumWaitError } from './errors.ts';
import { pause } from './pause.ts';

/** How to wait for an end. */
export interface WaitOptions<T> {
  readonly signal?: AbortSignal;
  /** Default: as long as it takes. */
  readonly timeoutMs?: number;
  /** The longest pause between two looks. Default 1000. */
  readonly everyMs?: number;
  /** Told what each look found. */
  onProgress?(view: T): void;
}

const FIRST_LOOK_MS = 100;

/** Looks again and again, less often with time, until `ended`. */
export async function waitUntil<T>(
  look: () => Promise<T>,
  ended: (view: T) => boolean,
  { what, ...options }: WaitOptions<T> & { what: string },
): Promise<T> {
  const { signal, timeoutMs = Number.POSITIVE_INFINITY, everyMs = 1000 } = options;
  const endsAt = performance.now() + timeoutMs;
  for (let waitMs = Math.min(FIRST_LOOK_MS, everyMs); ; waitMs = Math.min(everyMs, waitMs * 1.5)) {
    const view = await look();
    options.onProgress?.(view);
    if (ended(view)) return view;
    const leftMs = endsAt - performance.now();
    if (leftMs <= 0) throw new CroniumWaitError(what, timeoutMs);
    await pause(Math.min(waitMs, leftMs), signal);
  }
}

export function jobEnded(view: JobView): boolean {
  return isTerminal(view.state);
}

/** All of its jobs have ended and no more will come. */
export function batchEnded(view: BatchView): boolean {
  return view.complete && view.ended >= view.total;
}
