import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LOOK_MS = 5000;
/** A process that ran for less of the time between two looks was quiet. */
const QUIET = 0.02;
const WORTH_BYTES = 32 * 1024 * 1024;

/**
 * Gives memory back to the system that a process held when it had much to do: V8 keeps the pages that it freed, and
 * collects what is old only when the heap grows further. Every five seconds it looks whether the process was quiet, and holds
 * 32 MiB more than after the last time; the collection then stops the process for a few hundred milliseconds.
 */
export class SpareMemory implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #leastBytes = 0;
  #since = performance.eventLoopUtilization();

  constructor() {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
  }

  #look(): void {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#since);
    this.#since = now;
    const bytes = process.memoryUsage.rss();
    this.#leastBytes = Math.min(this.#leastBytes, bytes);
    if (utilization > QUIET || bytes - this.#leastBytes < WORTH_BYTES) return;
    collectAll();
    this.#leastBytes = process.memoryUsage.rss();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** V8 gives its free pages back after no other kind of collection than its `last-resort`. */
function collectAll(): void {
  setFlagsFromString('--expose-gc');
  const collect: NodeJS.GCFunction = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', flavor: 'last-resort', execution: 'sync' });
}
