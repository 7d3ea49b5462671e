import { setTimeout as delay } from 'node:timers/promises';

/** Waits for a time; with a signal that aborts first, returns early. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, signal === undefined ? {} : { signal }).catch((error: Error) => {
    if (error.name !== 'AbortError') throw error;
  });
}
