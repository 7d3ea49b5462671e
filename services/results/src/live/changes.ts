import { pause, pauseBefore } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import pg from 'pg';
import { poolConfig } from '../db/database.ts';
import { CHANGES_CHANNEL } from '../queries/notify.ts';

/** Someone who waits for news of any job. */
type Listener = (jobIds: readonly string[]) => void;

/**
 * Tells readers of jobs of which something was committed, by whichever results process. A hint: when the connection
 * was gone for a while every listener is called once, to look again.
 */
export class Changes {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #everything = new Set<Listener>();
  /** How often there was news. */
  #told = 0;

  /** Calls back when something of the job may have changed, until the result is called. */
  onJob(jobId: string, wake: () => void): () => void {
    const own = this.#listeners.get(jobId) ?? new Set();
    own.add(wake);
    this.#listeners.set(jobId, own);
    return () => {
      own.delete(wake);
      if (own.size === 0) this.#listeners.delete(jobId);
    };
  }

  /** How many wait for news. */
  get listeners(): number {
    return [...this.#listeners.values()].reduce((sum, own) => sum + own.size, this.#everything.size);
  }

  /** Calls back with the ids of changed jobs, an empty list when any may have. */
  onAny(listener: Listener): () => void {
    this.#everything.add(listener);
    return () => this.#everything.delete(listener);
  }

  /**
   * For who looks again and again: says whether it is worth it, because something changed since it was asked last, or
   * because that was `atLeastEveryMs` ago: news may have been missed, and some things come due by themselves. Whom no news
   * concerns at the moment says so.
   */
  worthALook(atLeastEveryMs: number): (forNews?: boolean) => boolean {
    let seen = -1;
    let askedAt = Number.NEGATIVE_INFINITY;
    return (forNews = true) => {
      const now = performance.now();
      const hasNews = forNews && seen !== this.#told;
      if (!hasNews && now - askedAt < atLeastEveryMs) return false;
      seen = this.#told;
      askedAt = now;
      return true;
    };
  }

  /** Passes news on. */
  tell(jobIds: readonly string[]): void {
    this.#told += 1;
    for (const listener of this.#everything) listener(jobIds);
    for (const id of jobIds) for (const wake of this.#listeners.get(id) ?? []) wake();
  }

  /** Everyone looks again. */
  tellAll(): void {
    this.#told += 1;
    for (const listener of this.#everything) listener([]);
    for (const own of this.#listeners.values()) for (const wake of own) wake();
  }
}

/** Listens to PostgreSQL for {@link Changes} until the signal aborts; connects again when it must. Never rejects. */
export async function followChanges(
  changes: Changes,
  { url, log, signal }: { url: string; log: Logger; signal: AbortSignal },
): Promise<void> {
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      await listen(changes, url, signal, () => {
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ err: error }, 'news of changes stopped; live readers wait until the database is back');
    }
    await pause(pauseBefore(failures + 2, { maxMs: 3000 }), signal).catch(() => undefined);
  }
}

async function listen(
  changes: Changes,
  url: string,
  signal: AbortSignal,
  onConnected: () => void,
): Promise<void> {
  const client = new pg.Client(poolConfig(url));
  const broken = Promise.withResolvers<void>();
  client.on('error', (error) => broken.reject(error));
  client.on('end', () => broken.resolve());
  client.on('notification', ({ payload = '' }) => changes.tell(payload.split(' ')));
  const stop = () => broken.resolve();
  signal.addEventListener('abort', stop, { once: true });
  try {
    await client.connect();
    await client.query(`LISTEN ${CHANGES_CHANNEL}`);
    onConnected();
    changes.tellAll();
    await broken.promise;
  } finally {
    signal.removeEventListener('abort', stop);
    broken.promise.catch(() => undefined);
    await client.end().catch(() => undefined);
  }
}
