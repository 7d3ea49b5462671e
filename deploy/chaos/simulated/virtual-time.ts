import { AsyncLocalStorage } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly owner: SimProcess | undefined;
  readonly run: () => void;
  isCleared: boolean;
}

/** What `setTimeout` gives back in virtual time. */
class Handle {
  readonly timer: Timer;

  constructor(timer: Timer) {
    this.timer = timer;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return false;
  }

  [Symbol.dispose](): void {
    this.timer.isCleared = true;
  }
}

/** Runs something in a context that was entered once: to enter it each time costs a copy of it. */
type Within = <T>(run: () => T) => T;

/** Node takes longer times for 1 ms. */
const LONGEST_MS = 2 ** 31 - 1;
/** 2026-01-01, so that a round's times depend on its seed alone. */
const BEGIN_MS = Date.UTC(2026, 0, 1);

const real = {
  ...{ setTimeout, clearTimeout, setImmediate, clearImmediate },
  ...{ random: Math.random, now: Date.now, any: AbortSignal.any },
};
/**
 * So many turns of the event loop follow one another before the system is asked for input and output, of which there is
 * none. Node does between two of them all that it does at the end of a turn.
 */
const TURNS_AT_ONCE = 200;

/**
 * Time that passes when nothing is left to do: the clock, the timers and `Math.random` of this whole Node process. The
 * code under it is not changed and cannot forget to ask for it. Real input and output must not be waited for meanwhile.
 */
export class VirtualTime implements Disposable {
  readonly #context = new AsyncLocalStorage<SimProcess | undefined>();
  readonly #outside: Within = this.#context.run(undefined, () => AsyncLocalStorage.snapshot());
  readonly #timers: Timer[] = [];
  /** They come before any time passes. */
  readonly #immediates: Timer[] = [];
  /** Of the whole world. */
  readonly #over = new AbortController();
  #nowMs = BEGIN_MS;
  #order = 0;

  /** @param random what `Math.random` gives meanwhile */
  constructor(random: () => number) {
    Math.random = random;
    Date.now = () => this.#nowMs;
    Object.defineProperty(performance, 'now', { configurable: true, value: () => this.#nowMs - BEGIN_MS });
    const set = (run: (...args: unknown[]) => void, milliseconds = 0, ...args: unknown[]) =>
      new Handle(this.#add(milliseconds, () => run(...args)));
    const clear = (handle: unknown) => {
      if (handle instanceof Handle) handle[Symbol.dispose]();
    };
    const setImmediate = (run: (...args: unknown[]) => void, ...args: unknown[]) => {
      const timer = this.#timer(this.#nowMs, () => run(...args));
      this.#immediates.push(timer);
      return new Handle(timer);
    };
    const timers = { setTimeout: set, clearTimeout: clear, setImmediate, clearImmediate: clear };
    Object.assign(globalThis, timers);
    setMaxListeners(0, this.#over.signal);
    AbortSignal.any = (signals) => real.any.call(AbortSignal, [...signals, this.#over.signal]);
  }

  /**
   * Ends the world, in its own time. Node keeps a signal made of others, and all that waits for it, until one of them
   * aborts: those of dead processes would be kept for ever.
   */
  async end(): Promise<void> {
    this.#over.abort(new Error('the world has ended'));
    await new Promise((resolve) => real.setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    const { setTimeout, clearTimeout, setImmediate, clearImmediate } = real;
    Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate, clearImmediate });
    AbortSignal.any = real.any;
    Math.random = real.random;
    Date.now = real.now;
    Reflect.deleteProperty(performance, 'now');
  }

  /** Since the beginning. */
  get elapsedMs(): number {
    return this.#nowMs - BEGIN_MS;
  }

  /** Runs something as a process's own: what it starts stands still and dies with it. */
  inside<T>(process: SimProcess, run: () => T): T {
    process.within ??= this.#context.run(process, () => AsyncLocalStorage.snapshot());
    return process.within(run);
  }

  /** Runs something as the world's own. */
  outside<T>(run: () => T): T {
    return this.#outside(run);
  }

  /**
   * Lets time pass until a condition holds.
   * @returns false when so much time has passed before
   */
  until(condition: () => boolean, milliseconds: number): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    const endMs = this.#nowMs + milliseconds;
    let isOver = false;
    const turn = () => {
      if (isOver) return;
      try {
        const holds = this.#turn(condition, endMs);
        isOver = holds !== undefined;
        if (holds !== undefined) resolve(holds);
      } catch (error) {
        isOver = true;
        reject(error);
      }
    };
    const turns = () => {
      if (isOver) return;
      for (let count = 0; count < TURNS_AT_ONCE; count++) real.setImmediate(turn);
      real.setImmediate(turns);
    };
    turns();
    return promise;
  }

  /** One turn of the event loop. @returns does the condition hold? `undefined` when that is not known yet */
  #turn(condition: () => boolean, endMs: number): boolean | undefined {
    const immediate = this.#immediates.shift();
    if (immediate !== undefined) {
      this.#fire(immediate);
      return undefined;
    }
    if (condition()) return true;
    const next = this.#next();
    if (next === undefined || next.atMs > endMs) return false;
    this.#pop();
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    this.#fire(next);
    return undefined;
  }

  #add(milliseconds: number, run: () => void): Timer {
    const waits = milliseconds >= 1 && milliseconds <= LONGEST_MS ? milliseconds : 1;
    const timer = this.#timer(this.#nowMs + Math.trunc(waits), run);
    this.#push(timer);
    return timer;
  }

  #timer(atMs: number, run: () => void): Timer {
    return { atMs, order: this.#order++, owner: this.#context.getStore(), run, isCleared: false };
  }

  #fire(timer: Timer): void {
    const { owner, run } = timer;
    const once = () => {
      if (!timer.isCleared) run();
    };
    if (owner === undefined) this.outside(once);
    else owner.enter(() => this.inside(owner, once));
  }

  /** The earliest timer that still counts. */
  #next(): Timer | undefined {
    while (this.#timers[0]?.isCleared || this.#timers[0]?.owner?.state === 'dead') this.#pop();
    return this.#timers[0];
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isEarlier(timer, heap[above])) break;
      heap[at] = heap[above] ?? timer;
      at = above;
    }
    heap[at] = timer;
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (isEarlier(heap[below + 1], heap[below])) below += 1;
      const candidate = heap[below];
      if (candidate === undefined || !isEarlier(candidate, last)) break;
      heap[at] = candidate;
      at = below;
    }
    heap[at] = last;
  }
}

function isEarlier(one: Timer | undefined, other: Timer | undefined): boolean {
  if (one === undefined || other === undefined) return one !== undefined;
  return one.atMs === other.atMs ? one.order < other.order : one.atMs < other.atMs;
}

/**
 * A process as the outside sees it. Its code runs for two reasons only: a timer of its own, or an answer from outside. Both
 * wait while it is stopped, and never come when it is dead.
 */
export class SimProcess {
  state: 'up' | 'stopped' | 'dead' = 'up';
  /** See {@link VirtualTime.inside}. */
  within: Within | undefined;
  #held: (() => void)[] = [];

  enter(run: () => void): void {
    if (this.state === 'up') run();
    else if (this.state === 'stopped') this.#held.push(run);
  }

  /** Hands an answer from outside in. */
  receive<T>(answer: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    answer.then(
      (value) => this.enter(() => resolve(value)),
      (error) => this.enter(() => reject(error)),
    );
    return promise;
  }

  /** SIGSTOP. */
  stop(): void {
    if (this.state === 'up') this.state = 'stopped';
  }

  /** SIGCONT: what had come meanwhile comes now, one after the other. */
  go(): void {
    if (this.state !== 'stopped') return;
    this.state = 'up';
    for (const run of this.#held.splice(0)) setTimeout(() => this.enter(run), 0);
  }

  /** SIGKILL. */
  die(): void {
    this.state = 'dead';
    this.#held = [];
  }
}
