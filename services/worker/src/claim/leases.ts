import { deadline, repeat, waitFor } from '@cronium/lifecycle';
import { FencedError } from './fence.ts';

/** What a lease is on. */
export interface Held {
  readonly jobId: string;
  readonly attemptId: string;
  readonly queue: string;
  readonly token: string;
}

/** This process's hold on one job. */
export interface Lease extends Held {
  /** Aborts with a {@link FencedError} when the job is no longer ours. */
  readonly signal: AbortSignal;
  /**
   * Call before every step that cannot be taken back: a process that was stopped for longer than its lock lives finds
   * out here, before its timers have run.
   * @throws FencedError
   */
  check(): void;
  /** Ends the hold without touching the store. Idempotent. */
  release(): void;
}

export interface LeasesOptions {
  readonly lockMs: number;
  /** Extends locks of one queue; returns the job ids that were refused. */
  extend(queue: string, held: readonly Held[]): Promise<readonly string[]>;
  /** Monotonic milliseconds. */
  now?(): number;
  /** A renewal that did not answer or failed; the locks still count until they run out. */
  onError(error: unknown): void;
  /** Called after each round with what is still held. */
  afterRenewal?(held: readonly Held[]): Promise<void>;
}

class HeldLease implements Lease {
  readonly jobId: string;
  readonly attemptId: string;
  readonly queue: string;
  readonly token: string;
  readonly #controller = new AbortController();
  readonly #owner: Leases;
  /** Monotonic; the store's own expiry is never earlier. */
  validUntil: number;

  constructor(held: Held, owner: Leases, validUntil: number) {
    this.jobId = held.jobId;
    this.attemptId = held.attemptId;
    this.queue = held.queue;
    this.token = held.token;
    this.#owner = owner;
    this.validUntil = validUntil;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  check(): void {
    if (!this.signal.aborted && this.#owner.now() >= this.validUntil) {
      this.lose('its lock was not renewed in time');
    }
    this.signal.throwIfAborted();
  }

  lose(why: string): void {
    this.release();
    this.#controller.abort(new FencedError(this.attemptId, why));
  }

  release(): void {
    this.#owner.forget(this);
  }
}

/**
 * All locks that this process holds, renewed together. A lease is lost when the store refuses its renewal, or when no
 * renewal came through before its time by this machine's monotonic clock: the store's clock starts later, so the lease
 * always ends here first.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #held = new Set<HeldLease>();
  #nextCheck: NodeJS.Timeout | undefined;

  constructor(options: LeasesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  get lockMs(): number {
    return this.#options.lockMs;
  }

  now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  /**
   * Begins to hold a job whose lock was just set or extended. An older hold on the same job is lost by it: the store
   * answers renewals by job, and a refusal of the old token would end the new hold too.
   * @param since monotonic time before the request that set it was sent
   */
  hold(held: Held, since: number): Lease {
    for (const older of this.#held) {
      if (older.jobId === held.jobId) older.lose(`its job was taken again as ${held.attemptId}`);
    }
    const lease = new HeldLease(held, this, since + this.#options.lockMs);
    this.#held.add(lease);
    this.#arm();
    return lease;
  }

  /** @internal */
  forget(lease: HeldLease): void {
    this.#held.delete(lease);
  }

  /** Renews every third of the lock's time until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const everyMs = this.#options.lockMs / 3;
    await repeat(() => this.renew(signal), { everyMs, signal, onError: this.#options.onError });
    clearTimeout(this.#nextCheck);
  }

  /** Renews all that is held, once. */
  async renew(signal: AbortSignal): Promise<void> {
    this.expire();
    const byQueue = Map.groupBy(this.#held, (lease) => lease.queue);
    await Promise.all([...byQueue].map(([queue, leases]) => this.#renewQueue(queue, leases, signal)));
    await this.#options.afterRenewal?.([...this.#held]);
  }

  async #renewQueue(queue: string, leases: readonly HeldLease[], signal: AbortSignal): Promise<void> {
    const since = this.now();
    using limit = deadline(this.#options.lockMs / 3, `the locks of ${queue} could not be renewed`, signal);
    try {
      const refused = new Set(await waitFor(this.#options.extend(queue, leases), limit));
      for (const lease of leases) {
        if (refused.has(lease.jobId)) lease.lose('its lock was taken by another worker or had run out');
        else lease.validUntil = since + this.#options.lockMs;
      }
      this.#arm();
    } catch (error) {
      if (!signal.aborted) this.#options.onError(error);
    }
  }

  /** Ends what has run out. */
  expire(): void {
    const now = this.now();
    for (const lease of [...this.#held]) {
      if (now >= lease.validUntil) lease.lose('its lock could not be renewed in time');
    }
  }

  /** One timer for the lease that ends first. */
  #arm(): void {
    clearTimeout(this.#nextCheck);
    if (this.#held.size === 0) return;
    const first = Math.min(...[...this.#held].map((lease) => lease.validUntil));
    this.#nextCheck = setTimeout(
      () => {
        this.expire();
        this.#arm();
      },
      Math.max(1, first - this.now()),
    );
    this.#nextCheck.unref();
  }
}
