import { deadline, pause, waitFor } from '@cronium/lifecycle';
import { FencedError } from './fence.ts';

/** What a lease is on. */
export interface Held {
  readonly jobId: string;
  readonly attemptId: string;
  readonly queue: string;
  readonly token: string;
  /** How often the job had been taken from the queue when this hold began. */
  readonly started: number;
}

/**
 * This process's hold on one job:
 *
 * ```text
 * sure -> in doubt -> sure | lost
 * ```
 *
 * `sure`: no other worker can have the job. `in doubt`: its lock was not renewed in time, and whether another worker took
 * the job will be known when the store answers again. `lost`: it was taken, or nobody knows for too long.
 */
export interface Lease extends Held {
  /** Aborts with a {@link FencedError} when the job is lost. */
  readonly signal: AbortSignal;
  /** False as soon as the lock's time is nearly over by the clock, also before any timer has run. */
  readonly isSure: boolean;
  /**
   * Call before every step that cannot be taken back. Resolves at once while the job is ours for certain; in doubt it
   * waits for the store's word.
   * @throws FencedError also when the hold ends meanwhile
   */
  sure(): Promise<void>;
  /**
   * Call before user code runs when a worker that fell silent had the job before. Resolves when that one has had its time
   * to hold its container still, however slow its machine is.
   * @throws the signal's reason
   */
  outwaitFormer(signal: AbortSignal): Promise<void>;
  /** Calls back when it may have changed, until the returned function is called. */
  onChange(listener: () => void): () => void;
  /** Ends the hold without touching the store. Idempotent. */
  release(): void;
}

export interface LeasesOptions {
  readonly lockMs: number;
  /** How long a job may be in doubt before it counts as lost. */
  readonly doubtMs: number;
  /** Extends locks of one queue, or sets them again where nobody took the job; returns the job ids that were refused. */
  extend(queue: string, held: readonly Held[]): Promise<readonly string[]>;
  /** Monotonic milliseconds. */
  now?(): number;
  /** A renewal that did not answer or failed; the locks still count until they run out. */
  onError(error: unknown): void;
}

/** This part of a lock's time is kept for holding the container still before another worker can have the job. */
const MARGIN = 1 / 3;
/**
 * So long after it got a silent worker's job, another one lets no user code of it run. With the margin, two thirds of a
 * lock's time are there to hold a container still: on a busy machine Docker takes seconds for it.
 */
const OUTWAIT = 1 / 3;
const RENEWALS = 5;

class HeldLease implements Lease {
  readonly jobId: string;
  readonly attemptId: string;
  readonly queue: string;
  readonly token: string;
  readonly started: number;
  readonly #controller = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #owner: Leases;
  readonly #heldSince: number;
  /** Monotonic; the store's own expiry is never earlier. */
  validUntil: number;
  /** The doubt was told to the listeners. */
  isDoubted = false;
  #isReleased = false;

  constructor(held: Held, owner: Leases, validUntil: number) {
    this.jobId = held.jobId;
    this.attemptId = held.attemptId;
    this.queue = held.queue;
    this.token = held.token;
    this.started = held.started;
    this.#owner = owner;
    this.#heldSince = owner.now();
    this.validUntil = validUntil;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isSure(): boolean {
    return !this.signal.aborted && this.#owner.now() < this.validUntil - this.#owner.marginMs;
  }

  async sure(): Promise<void> {
    while (!this.isSure) {
      this.signal.throwIfAborted();
      if (this.#isReleased) throw new FencedError(this.attemptId, 'it was given up');
      // A process that was stopped comes here before its timers have run.
      this.#owner.expire();
      const change = Promise.withResolvers<void>();
      const unlisten = this.onChange(change.resolve);
      try {
        await waitFor(change.promise, this.signal);
      } finally {
        unlisten();
      }
    }
  }

  async outwaitFormer(signal: AbortSignal): Promise<void> {
    const { lockMs } = this.#owner;
    for (;;) {
      const leftMs = this.#heldSince + lockMs * OUTWAIT - this.#owner.now();
      if (leftMs <= 0) return;
      await pause(leftMs, signal);
    }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The store answered a request that was sent at this time. */
  renewed(since: number): void {
    this.validUntil = since + this.#owner.lockMs;
    // Also when no doubt was told: whoever looked at the clock may have seen one.
    if (this.isSure) this.#become(false);
  }

  doubt(): void {
    if (!this.isDoubted) this.#become(true);
  }

  lose(why: string): void {
    this.#controller.abort(new FencedError(this.attemptId, why));
    this.isDoubted = true;
    this.release();
  }

  release(): void {
    this.#owner.forget(this);
    if (this.#isReleased) return;
    this.#isReleased = true;
    // Whoever waits for the store's word would wait for ever.
    for (const listener of [...this.#listeners]) listener();
  }

  #become(isDoubted: boolean): void {
    this.isDoubted = isDoubted;
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * All locks that this process holds, renewed together. A lease is in doubt when no renewal came through in time by this
 * machine's monotonic clock: the store's clock starts later, so doubt always begins here before the lock ends there. It
 * is lost when the store refuses it, or when the doubt lasts too long.
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

  /** How many are in doubt. */
  get doubted(): number {
    return [...this.#held].filter(({ isSure }) => !isSure).length;
  }

  get lockMs(): number {
    return this.#options.lockMs;
  }

  /** @internal */
  get marginMs(): number {
    return this.#options.lockMs * MARGIN;
  }

  now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  /**
   * Begins to hold a job whose lock was just set or extended. An older hold on the same job is lost by it: the store
   * answers renewals by job, and a refusal of the old token would end the new hold too.
   * @param since monotonic time before the request that set it was sent; without it the job is in doubt from the beginning
   */
  hold(held: Held, since: number = this.now() - this.lockMs): Lease {
    for (const older of this.#held) {
      if (older.jobId === held.jobId) older.lose(`its job was taken again as ${held.attemptId}`);
    }
    const lease = new HeldLease(held, this, since + this.#options.lockMs);
    this.#held.add(lease);
    if (!lease.isSure) lease.doubt();
    this.#arm();
    return lease;
  }

  /** @internal */
  forget(lease: HeldLease): void {
    this.#held.delete(lease);
  }

  /**
   * Renews every fifth of the lock’s time, from the beginning of one renewal to that of the next, until the signal aborts.
   * One that takes longer is given up after a third of the lock’s time; the next follows at once. Never rejects.
   */
  async run(signal: AbortSignal): Promise<void> {
    const everyMs = this.#options.lockMs / RENEWALS;
    while (!signal.aborted) {
      const startedAt = this.now();
      await this.renew(signal);
      const leftMs = Math.max(0, everyMs - (this.now() - startedAt));
      await pause(leftMs, signal).catch(() => undefined);
    }
    clearTimeout(this.#nextCheck);
  }

  /** Renews all that is held, once. Never rejects; nothing but the renewal itself is waited for. */
  async renew(signal: AbortSignal): Promise<void> {
    this.expire();
    const byQueue = Map.groupBy(this.#held, (lease) => lease.queue);
    await Promise.all([...byQueue].map(([queue, leases]) => this.#renewQueue(queue, leases, signal)));
  }

  async #renewQueue(queue: string, leases: readonly HeldLease[], signal: AbortSignal): Promise<void> {
    const since = this.now();
    using limit = deadline(this.#options.lockMs / 3, `the locks of ${queue} could not be renewed`, signal);
    try {
      const refused = new Set(await waitFor(this.#options.extend(queue, leases), limit));
      for (const lease of leases) {
        if (refused.has(lease.jobId)) lease.lose('another worker had taken it');
        else lease.renewed(since);
      }
      this.#arm();
    } catch (error) {
      if (!signal.aborted) this.#options.onError(error);
    }
  }

  /** Doubts what was not renewed in time, and ends what nobody knows anything of for too long. */
  expire(): void {
    const { doubtMs } = this.#options;
    for (const lease of [...this.#held]) {
      if (this.now() >= lease.validUntil + doubtMs) {
        lease.lose(`its lock could not be renewed for ${Math.round((this.lockMs + doubtMs) / 1000)} s`);
      } else if (!lease.isSure) lease.doubt();
    }
  }

  /** One timer for the lease that changes first. */
  #arm(): void {
    clearTimeout(this.#nextCheck);
    if (this.#held.size === 0) return;
    const first = Math.min(...[...this.#held].map((lease) => this.#changesAt(lease)));
    this.#nextCheck = setTimeout(
      () => {
        this.expire();
        this.#arm();
      },
      Math.max(1, first - this.now()),
    );
    this.#nextCheck.unref();
  }

  #changesAt({ isDoubted, validUntil }: HeldLease): number {
    return isDoubted ? validUntil + this.#options.doubtMs : validUntil - this.marginMs;
  }
}
