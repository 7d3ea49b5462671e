import { pause, waitFor } from '@cronium/lifecycle';
import { BackgroundWork } from '../background-work.ts';
import { short } from '../containers.ts';
import type { JobTools } from '../job-start.ts';
import { SandboxError, type SandboxRequest } from '../runtime.ts';
import type { Slot } from '../slot/slot.ts';
import type { SlotPool } from '../slot/slots.ts';
import { type Cell, makeCell } from './cell.ts';

/** Making one takes a processor's whole attention for a moment. */
const MADE_AT_ONCE = 2;
/** A cell that nobody asked for in this time is removed. */
const IDLE_MS = 5000;
/** One that could not be made is made this much later, when there are others. */
const RETRY_MS = 1000;

export interface CellsOptions extends JobTools {
  readonly slots: SlotPool;
}

interface Group {
  readonly key: string;
  /** Those that wait for a job, since when; the last used is used first. */
  readonly idle: { readonly cell: Cell; readonly since: number }[];
  readonly waiters: Waiter[];
  making: number;
}

interface Waiter {
  readonly request: SandboxRequest;
  readonly resolve: (cell: Cell) => void;
  readonly reject: (error: unknown) => void;
}

/** The cells of this node, by what the jobs that may share one have in common. */
export class Cells {
  readonly #options: CellsOptions;
  readonly #groups = new Map<string, Group>();
  readonly #all = new Map<Cell, Group>();
  readonly #removals = new Map<Cell, Promise<void>>();
  readonly #work = new BackgroundWork();
  readonly #closing = new AbortController();
  #sweep: NodeJS.Timeout | undefined;

  constructor(options: CellsOptions) {
    this.#options = options;
  }

  /**
   * A cell for one job of the group, nobody else's until it is given back. Waits for one that another job has, and has
   * another made meanwhile.
   * @throws SandboxError, or the signal's reason
   */
  async take(key: string, request: SandboxRequest, signal: AbortSignal): Promise<Cell> {
    const group = this.#groupOf(key);
    for (let idle = group.idle.pop(); idle !== undefined; idle = group.idle.pop()) {
      if (idle.cell.isSound) return idle.cell;
      void this.drop(idle.cell);
    }
    const { promise, resolve, reject } = Promise.withResolvers<Cell>();
    const waiter = { request, resolve, reject };
    group.waiters.push(waiter);
    this.#make(group);
    try {
      return await waitFor(promise, signal);
    } catch (error) {
      const index = group.waiters.indexOf(waiter);
      if (index >= 0) group.waiters.splice(index, 1);
      // It was handed over in the same moment.
      else promise.then((cell) => this.giveBack(cell)).catch(() => undefined);
      throw error;
    }
  }

  /** Nothing of its last job is in it any more. One that is not as it should be is removed. */
  giveBack(cell: Cell): void {
    const group = this.#all.get(cell);
    if (group === undefined) return;
    if (!cell.isSound || this.#closing.signal.aborted) {
      void this.drop(cell);
      return;
    }
    const waiter = group.waiters.shift();
    if (waiter === undefined) {
      group.idle.push({ cell, since: performance.now() });
      this.#sweepLater();
    } else waiter.resolve(cell);
  }

  /**
   * Removes a cell, when nobody wants the log of one of its jobs any more, and takes its slot back. Idempotent.
   * @returns when it is gone, or left to whoever wants its log
   */
  async drop(cell: Cell): Promise<void> {
    const group = this.#all.get(cell);
    if (group !== undefined) {
      this.#all.delete(cell);
      const index = group.idle.findIndex((idle) => idle.cell === cell);
      if (index >= 0) group.idle.splice(index, 1);
      const removal = this.#remove(cell);
      this.#removals.set(cell, removal);
      this.#work.add(removal.finally(() => this.#removals.delete(cell)));
      this.#make(group);
    }
    if (!cell.isUsed) await this.#removals.get(cell);
  }

  /** Removes what nobody uses, and lets go of the rest: a cell ends by itself after its job. */
  async close(): Promise<void> {
    this.#closing.abort(new SandboxError('aborted', 'the worker stops'));
    clearTimeout(this.#sweep);
    for (const cell of [...this.#all.keys()]) void this.drop(cell);
    // What ends may begin a removal.
    await this.#work.ended();
  }

  /** One for each that waits. */
  #make(group: Group): void {
    if (this.#closing.signal.aborted) return;
    const wanted = Math.min(MADE_AT_ONCE, group.waiters.length) - group.making;
    for (let count = 0; count < wanted; count++) {
      const waiter = group.waiters[group.making];
      if (waiter === undefined) return;
      group.making += 1;
      const made = this.#makeOne(group, waiter.request);
      this.#work.add(
        made.finally(() => {
          group.making -= 1;
          this.#make(group);
        }),
      );
    }
  }

  async #makeOne(group: Group, request: SandboxRequest): Promise<void> {
    const { images, slots, context, options } = this.#options;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(context.limits.pullMs)]);
    let slot: Slot | undefined;
    try {
      slot = await slots.take();
      const image = await images.forJob(request.spec, signal);
      const cell = await makeCell(this.#options, { request, slot, image, signal });
      this.#all.set(cell, group);
      const gone = () => void this.drop(cell);
      cell.exit.then(gone, () => undefined);
      this.giveBack(cell);
    } catch (error) {
      if (slot !== undefined) this.#work.add(slots.destroy(slot));
      options.logger.debug(
        { err: error, attempt: request.attemptId },
        'no container for a batch could be made',
      );
      // Others of the group will be free, and it is tried again in a while; without any, someone must be told.
      if (![...this.#all.values()].includes(group)) group.waiters.shift()?.reject(error);
      else await pause(RETRY_MS, this.#closing.signal).catch(() => undefined);
    }
  }

  async #remove(cell: Cell): Promise<void> {
    const { slots, options } = this.#options;
    const { slot, containerId } = cell.parts;
    try {
      if (await cell.remove(this.#closing.signal)) await slots.release(slot);
    } catch (error) {
      const container = short(containerId);
      options.logger.warn({ err: error, container }, 'a container that served a batch stays');
      await slots.destroy(slot);
    }
  }

  #groupOf(key: string): Group {
    const group = this.#groups.get(key) ?? { key, idle: [], waiters: [], making: 0 };
    this.#groups.set(key, group);
    return group;
  }

  #sweepLater(): void {
    if (this.#sweep !== undefined || this.#closing.signal.aborted) return;
    this.#sweep = setTimeout(() => this.#sweepNow(), IDLE_MS).unref();
  }

  #sweepNow(): void {
    this.#sweep = undefined;
    const before = performance.now() - IDLE_MS;
    for (const group of this.#groups.values()) {
      for (const { cell, since } of [...group.idle]) if (since <= before) void this.drop(cell);
      if (group.idle.length > 0) this.#sweepLater();
      const isEmpty = group.making + group.waiters.length === 0 && ![...this.#all.values()].includes(group);
      if (isEmpty) this.#groups.delete(group.key);
    }
  }
}
