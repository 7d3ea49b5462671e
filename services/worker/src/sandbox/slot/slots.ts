import { BackgroundWork } from '../background-work.ts';
import type { SandboxError } from '../runtime.ts';
import { Slot, type SlotTools } from './slot.ts';

/** Jobs that a slot serves before it makes room for a new one: whatever a sidecar gathers has an end. */
const MAX_USES = 1000;

/**
 * When jobs have waited so long in all, another slot is made: what one costs is the work of four jobs, and a host that is
 * full gains nothing by it.
 */
const WORTH_ONE_MS = 5000;

export interface SlotsOptions extends SlotTools {
  /** How many slots there may be in all before those that come back are removed. */
  maxKept(): number;
  /** Gives up what stands ready for other jobs and brings its slot back to the pool; false when nothing does. */
  spare(): Promise<boolean>;
}

/** The slots of this node: those that serve a job, and those that wait for one. */
export class SlotPool {
  readonly #options: SlotsOptions;
  readonly #all = new Set<Slot>();
  /** Those that wait, since when (monotonic milliseconds); the last used is used first. */
  readonly #idle: { readonly slot: Slot; readonly since: number }[] = [];
  readonly #removals = new BackgroundWork();
  /** Those whose job has ended. */
  readonly #returning = new Set<Slot>();
  /** Jobs that wait for a slot to come back, in the order in which they came. */
  readonly #waiters: (() => void)[] = [];
  /** How long jobs have waited for a slot to come back since another was made for that, in milliseconds. */
  #waitedMs = 0;
  #isClosed = false;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** How many wait for a job. */
  get idle(): number {
    return this.#idle.length;
  }

  /** How many there are, in use or not. */
  get size(): number {
    return this.#all.size;
  }

  /** Is the slot one of this process, in use or not? */
  has(id: string): boolean {
    return [...this.#all].some((slot) => slot.id === id);
  }

  /**
   * A slot for a job: one that waits, or a new one, which is still being made. One that comes back soon is waited for, until
   * the waits are worth one more that would be kept; without a free subnet, what stands ready for other jobs gives way.
   */
  async take(): Promise<Slot> {
    const { context, spare } = this.#options;
    let idle = this.#takeIdle();
    if (idle === undefined && this.#returning.size > this.#waiters.length && !this.#isAnotherWorthIt()) {
      await this.#oneComesBack();
      idle = this.#takeIdle();
    }
    while (idle === undefined && context.subnets.free === 0 && (await spare())) idle = this.#takeIdle();
    return idle ?? this.#make();
  }

  /** A slot for no job yet: nothing waits or gives way for it. */
  takeForStock(): Slot {
    return this.#takeIdle() ?? this.#make();
  }

  /** The slot's job has ended: it is released soon. */
  comesBack(slot: Slot): void {
    if (this.#all.has(slot)) this.#returning.add(slot);
  }

  #takeIdle(): Slot | undefined {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.slot.isSound) return idle.slot;
      this.#discard(idle.slot);
    }
    return undefined;
  }

  #make(): Slot {
    const slot = new Slot(this.#options);
    this.#all.add(slot);
    return slot;
  }

  #isAnotherWorthIt(): boolean {
    const maxKept = this.#options.maxKept();
    // Where none are kept, none comes back.
    if (maxKept === 0) return true;
    if (this.#waitedMs < WORTH_ONE_MS || this.#all.size >= maxKept) return false;
    this.#waitedMs = 0;
    return true;
  }

  async #oneComesBack(): Promise<void> {
    const since = performance.now();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#options.context.limits.slotComesBackMs);
    this.#waiters.push(resolve);
    await promise;
    clearTimeout(timer);
    this.#waitedMs += performance.now() - since;
    const index = this.#waiters.indexOf(resolve);
    if (index >= 0) this.#waiters.splice(index, 1);
  }

  /**
   * Takes a slot back whose job container is gone. One that does not forget its attempt in time is removed; nothing that
   * a former job could have left is handed to the next.
   */
  async release(slot: Slot): Promise<void> {
    if (!this.#all.has(slot)) return;
    const isKept = await isReusable(slot);
    this.#returning.delete(slot);
    if (isKept && !this.#isClosed && this.#all.size <= this.#options.maxKept()) {
      this.#idle.push({ slot, since: performance.now() });
      this.#waiters.shift()?.();
      return;
    }
    await this.destroy(slot);
  }

  destroy(slot: Slot): Promise<void> {
    // Unowned from here on: should this fail, the reconciler removes it.
    this.#all.delete(slot);
    this.#returning.delete(slot);
    // Instead of it one may be made.
    this.#waiters.shift()?.();
    const removal = slot.destroy();
    this.#removals.add(removal);
    return removal;
  }

  /** Removes slots that nobody needed for so long, but not more than leave this many in all. */
  async shrink({ to, idleMs }: { readonly to: number; readonly idleMs: number }): Promise<void> {
    const before = performance.now() - idleMs;
    const old = this.#idle.findIndex(({ since }) => since > before);
    const surplus = Math.min(this.#all.size - to, old < 0 ? this.#idle.length : old);
    const removed = this.#idle.splice(0, Math.max(0, surplus));
    await Promise.allSettled(removed.map(({ slot }) => this.destroy(slot)));
  }

  /** Removes all idle slots, lets go of the others, and keeps none from now on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.shrink({ to: 0, idleMs: 0 });
    // Also those that others began.
    await this.#removals.ended();
    for (const slot of this.#all) slot.detach();
  }

  #discard(slot: Slot): void {
    // What cannot be removed now is the reconciler's.
    void this.destroy(slot).catch(() => undefined);
  }
}

/** Did it forget its attempt, and may it serve another? */
async function isReusable(slot: Slot): Promise<boolean> {
  if (slot.uses >= MAX_USES) return false;
  await slot.settled();
  if (!slot.isSound) return false;
  slot.nameFor(slot.id);
  return slot.unbind().then(
    () => true,
    (_: SandboxError) => false,
  );
}
