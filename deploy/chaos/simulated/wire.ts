import { pause, waitFor } from '@cronium/lifecycle';
import type { Random } from '../random.ts';
import type { SimProcess, VirtualTime } from './virtual-time.ts';

/** How a server can be reached: at once, not at all, or so that nothing is heard of what is sent. */
export type Reach = 'up' | 'cut' | 'silent';

export interface WireOptions {
  readonly time: VirtualTime;
  readonly process: SimProcess;
  readonly random: Random;
  /** The error of a question that was not answered. */
  unanswered(): Error;
}

/** How a question is asked. */
export interface Asking {
  /** Waits for a server that is away, and repeats what was not answered; without it the question fails. */
  readonly patient?: boolean;
  /** The question is given up; what was asked for may be done all the same. */
  readonly signal?: AbortSignal;
}

/** A question that nobody answers fails after this time. */
export const TIMEOUT_MS = 5000;

/** The way from a process to one server. Questions and answers take their time, get lost, and wait. */
export class Wire {
  readonly #options: WireOptions;
  readonly #waiting = new Set<() => void>();
  #reaches = new Map<string, Reach>();
  /** This share of the answers is lost: what was asked for is done all the same. */
  losses = 0;
  /** How long a way takes at most. */
  slownessMs = 4;
  onUp: (() => void) | undefined;
  onDown: (() => void) | undefined;

  constructor(options: WireOptions) {
    this.#options = options;
  }

  get reach(): Reach {
    const all = [...this.#reaches.values()];
    return all.includes('cut') ? 'cut' : all.includes('silent') ? 'silent' : 'up';
  }

  /** Something, named by what it is, comes in between or goes away. */
  set(by: string, reach: Reach): void {
    const before = this.reach;
    if (reach === 'up') this.#reaches.delete(by);
    else this.#reaches.set(by, reach);
    if (before === this.reach) return;
    if (this.reach !== 'up') {
      this.onDown?.();
      return;
    }
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    this.onUp?.();
  }

  /** Asks; the server acts in one moment. @throws the error of an unanswered question, or what the server throws */
  ask<T>(act: () => T, asking: Asking = {}): Promise<T> {
    const { time, process } = this.#options;
    const answer = process.receive(time.outside(() => this.#carry(act, asking)));
    return asking.signal === undefined ? answer : waitFor(answer, asking.signal);
  }

  /** Waits for something that happens at the server; its answer waits for the way. */
  await<T>(event: () => Promise<T>): Promise<T> {
    const { time, process } = this.#options;
    const come = async () => {
      const value = await event();
      await this.#travel();
      await this.#up();
      return value;
    };
    return process.receive(time.outside(come));
  }

  async #carry<T>(act: () => T, { patient = false }: Asking): Promise<T> {
    const { random, unanswered } = this.#options;
    for (;;) {
      await this.#travel();
      if (this.reach === 'up') {
        const answer = act();
        const isLost = random.chance(this.losses);
        await this.#travel();
        if (!isLost && this.reach === 'up') return answer;
      }
      if (patient) {
        await this.#up();
        continue;
      }
      if (this.reach !== 'cut') await pause(TIMEOUT_MS);
      throw unanswered();
    }
  }

  #travel(): Promise<void> {
    return pause(this.#options.random.whole(1, this.slownessMs));
  }

  async #up(): Promise<void> {
    while (this.reach !== 'up') {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }
}
