import { waitFor } from '@cronium/lifecycle';

/** Why this node takes no jobs now. */
export interface Obstacle {
  readonly name: string;
  /** What is wrong, and what to do. */
  readonly message: string;
}

export interface GateOptions {
  /** Asked before each claim: anything that can change by itself. */
  obstacles(): readonly Obstacle[];
}

/** May this node claim now? Claimers wait here. */
export class Gate {
  readonly #options: GateOptions;
  readonly #set = new Map<string, Obstacle>();
  readonly #waiters = new Set<() => void>();
  #pausedPools: ReadonlySet<string> = new Set();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Sets or clears an obstacle by its name. */
  set(name: string, message: string | undefined): void {
    if (message === undefined) this.#set.delete(name);
    else this.#set.set(name, { name, message });
    this.changed();
  }

  /** Is an obstacle of this name set? */
  has(name: string): boolean {
    return this.#set.has(name);
  }

  setPausedPools(pools: ReadonlySet<string>): void {
    this.#pausedPools = pools;
    this.changed();
  }

  /** All that is in the way of any claim; paused pools are no fault of the node. */
  obstacles(): readonly Obstacle[] {
    return [...this.#set.values(), ...this.#options.obstacles()];
  }

  isOpen(pool: string): boolean {
    return !this.#pausedPools.has(pool) && this.obstacles().length === 0;
  }

  /** Something that `obstacles` looks at may have changed. */
  changed(): void {
    for (const resolve of this.#waiters) resolve();
    this.#waiters.clear();
  }

  /** Waits until jobs of the pool may be claimed. @throws the signal's reason */
  async open(pool: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    while (!this.isOpen(pool)) {
      const change = Promise.withResolvers<void>();
      this.#waiters.add(change.resolve);
      try {
        await waitFor(change.promise, signal);
      } finally {
        this.#waiters.delete(change.resolve);
      }
    }
  }
}
