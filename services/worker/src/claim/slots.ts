import { waitFor } from '@cronium/lifecycle';

/** A taken slot. */
export interface Slot extends Disposable {
  /** Gives it back. Idempotent. */
  release(): void;
}

/** How many jobs may run at once on this node. Waiters are served in the order in which they came. */
export class Slots {
  readonly total: number;
  #busy = 0;
  readonly #waiters: (() => void)[] = [];

  constructor(total: number) {
    this.total = total;
  }

  get busy(): number {
    return this.#busy;
  }

  get free(): number {
    return this.total - this.#busy;
  }

  /** Takes a slot when one is free. */
  tryTake(): Slot | undefined {
    if (this.#busy >= this.total || this.#waiters.length > 0) return undefined;
    return this.#take();
  }

  /**
   * Takes a slot, waiting for one.
   * @throws the signal's reason
   */
  async take(signal: AbortSignal): Promise<Slot> {
    signal.throwIfAborted();
    if (this.#busy < this.total && this.#waiters.length === 0) return this.#take();
    const turn = Promise.withResolvers<void>();
    this.#waiters.push(turn.resolve);
    try {
      await waitFor(turn.promise, signal);
    } catch (error) {
      const index = this.#waiters.indexOf(turn.resolve);
      if (index >= 0) this.#waiters.splice(index, 1);
      else this.#handOn();
      throw error;
    }
    return this.#slot();
  }

  /** Counts a job that runs already (taken back from a former process), even past the total. */
  occupy(): Slot {
    return this.#take();
  }

  #take(): Slot {
    this.#busy += 1;
    return this.#slot();
  }

  #slot(): Slot {
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      this.#handOn();
    };
    return { release, [Symbol.dispose]: release };
  }

  /** The slot goes to the next waiter as it is, or becomes free. */
  #handOn(): void {
    const next = this.#busy <= this.total ? this.#waiters.shift() : undefined;
    if (next) next();
    else this.#busy -= 1;
  }
}
