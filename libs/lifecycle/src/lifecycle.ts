import { ShutdownError } from './errors.ts';
import { deadline, waitFor } from './wait.ts';

/** Even when the whole shutdown is out of time, each release that is left gets this long. */
const LAST_CHANCE_MS = 250;

/** Gives something back. The signal aborts when the release is out of time. */
export type Release = (signal: AbortSignal) => unknown;

/** A release that threw or took too long. */
export interface FailedRelease {
  readonly name: string;
  readonly error: unknown;
}

/** What a shutdown came to. */
export interface ShutdownReport {
  readonly reason: string;
  /** In the order of their release. */
  readonly released: readonly string[];
  readonly failed: readonly FailedRelease[];
}

interface Owned {
  readonly name: string;
  readonly release: Release;
  readonly timeoutMs: number;
}

/**
 * What a process holds, and how it gives it back: last in, first out, every one of them, inside a deadline.
 * Acquire, then call {@link own} at once.
 */
export class Lifecycle {
  readonly #stack: Owned[] = [];
  readonly #stopping = new AbortController();
  readonly #failure = Promise.withResolvers<unknown>();
  readonly #deadlineMs: number;
  #shutdown: Promise<ShutdownReport> | undefined;

  /** @param options.deadlineMs how long a shutdown may take in all; default 30,000 */
  constructor(options: { deadlineMs?: number } = {}) {
    this.#deadlineMs = options.deadlineMs ?? 30_000;
  }

  /** Aborts with a {@link ShutdownError} as soon as the process is to stop. New work looks here. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** Resolves with the error that {@link fail} was called with. */
  get failure(): Promise<unknown> {
    return this.#failure.promise;
  }

  /**
   * Registers the release of what was just acquired. While a shutdown runs it is released by that one; after it, at
   * once.
   * @param options.timeoutMs the release's own bound; default: what is left of the shutdown's
   */
  own(name: string, release: Release, options: { timeoutMs?: number } = {}): void {
    this.#stack.push({ name, release, timeoutMs: options.timeoutMs ?? Number.POSITIVE_INFINITY });
    if (this.#shutdown) this.#shutdown = this.#shutdown.then((report) => this.#releaseAll(report));
  }

  /** Something in the background broke that the process can't live without: it stops and exits with 1. */
  fail(error: unknown): void {
    this.#failure.resolve(error);
  }

  /** Aborts {@link signal}; releases nothing yet. Only the first reason counts. */
  requestStop(reason: string): void {
    if (!this.signal.aborted) this.#stopping.abort(new ShutdownError(reason));
  }

  /** Releases all. Idempotent: every call gets the one shutdown's report. Never rejects. */
  shutdown(reason: string): Promise<ShutdownReport> {
    this.requestStop(reason);
    this.#shutdown ??= this.#releaseAll({ reason, released: [], failed: [] });
    return this.#shutdown;
  }

  async #releaseAll(before: ShutdownReport): Promise<ShutdownReport> {
    const released = [...before.released];
    const failed = [...before.failed];
    const endsAt = performance.now() + this.#deadlineMs;
    for (let owned = this.#stack.pop(); owned; owned = this.#stack.pop()) {
      const leftMs = Math.max(LAST_CHANCE_MS, endsAt - performance.now());
      try {
        await releaseWithin(owned, Math.min(owned.timeoutMs, leftMs));
        released.push(owned.name);
      } catch (error) {
        failed.push({ name: owned.name, error });
      }
    }
    return { reason: before.reason, released, failed };
  }
}

async function releaseWithin({ name, release }: Owned, milliseconds: number): Promise<void> {
  using limit = deadline(Math.round(milliseconds), `releasing ${name} took too long`);
  // A referenced timer: an unreferenced one would let the process end in the middle of a release.
  const keepAlive = setTimeout(() => undefined, milliseconds + 1);
  try {
    await waitFor(Promise.resolve(release(limit)), limit);
  } finally {
    clearTimeout(keepAlive);
  }
}
