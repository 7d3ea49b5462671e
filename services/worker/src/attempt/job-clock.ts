/** How long an attempt's time has stood still; durable, so that a successor goes on with it. */
export interface StoodStill {
  readonly ms: number;
  /** Unix ms: it stands still since then. */
  readonly since?: number | undefined;
}

interface Timer {
  leftMs: number;
  readonly run: () => void;
  startedAt: number;
  handle: NodeJS.Timeout | undefined;
}

export interface JobClockOptions {
  readonly stood?: StoodStill;
  /** Told at each change. */
  onChange?(stood: StoodStill): void;
}

/**
 * The time that counts for an attempt. It stands still while the attempt's container is frozen, so that no time limit
 * counts what was not the job's.
 */
export class JobClock {
  readonly #options: JobClockOptions;
  readonly #timers = new Set<Timer>();
  #stoodMs: number;
  #since: number | undefined;

  constructor(options: JobClockOptions = {}) {
    this.#options = options;
    this.#stoodMs = options.stood?.ms ?? 0;
    this.#since = options.stood?.since;
  }

  /** How long it has stood still in all. */
  get stoodMs(): number {
    return this.#stoodMs + (this.#since === undefined ? 0 : Math.max(0, Date.now() - this.#since));
  }

  /** It stands still from now on. Idempotent. */
  stop(): void {
    if (this.#since !== undefined) return;
    this.#since = Date.now();
    for (const timer of this.#timers) this.#pause(timer);
    this.#options.onChange?.({ ms: this.#stoodMs, since: this.#since });
  }

  /** It goes on. Idempotent. */
  go(): void {
    if (this.#since === undefined) return;
    this.#stoodMs = this.stoodMs;
    this.#since = undefined;
    for (const timer of this.#timers) this.#start(timer);
    this.#options.onChange?.({ ms: this.#stoodMs });
  }

  /** Calls back when so much time has counted. Disposing of it calls that off. */
  after(milliseconds: number, run: () => void): Disposable {
    const timer: Timer = { leftMs: milliseconds, run, startedAt: 0, handle: undefined };
    this.#timers.add(timer);
    if (this.#since === undefined) this.#start(timer);
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer.handle);
        this.#timers.delete(timer);
      },
    };
  }

  #start(timer: Timer): void {
    timer.startedAt = performance.now();
    timer.handle = setTimeout(() => {
      this.#timers.delete(timer);
      timer.run();
    }, timer.leftMs);
    timer.handle.unref();
  }

  #pause(timer: Timer): void {
    clearTimeout(timer.handle);
    timer.leftMs = Math.max(0, timer.leftMs - (performance.now() - timer.startedAt));
  }
}
