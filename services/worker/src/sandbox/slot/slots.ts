import type { SandboxError } from '../runtime.ts';
import { Slot, type SlotTools } from './slot.ts';

/** Jobs that a slot serves before it makes room for a new one: whatever a sidecar gathers has an end. */
const MAX_USES = 1000;

export interface SlotsOptions extends SlotTools {
  /** How many slots there may be in all before those that come back are removed. */
  maxKept(): number;
}

/** The slots of this node: those that serve a job, and those that wait for one. */
export class SlotPool {
  readonly #options: SlotsOptions;
  readonly #all = new Set<Slot>();
  /** Those that wait, since when (monotonic milliseconds); the last used is used first. */
  readonly #idle: { readonly slot: Slot; readonly since: number }[] = [];
  readonly #removals = new Set<Promise<void>>();
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

  /** A slot for one attempt: one that waits, or a new one, which is still being made. */
  take(): Slot {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.slot.isSound) return idle.slot;
      this.#discard(idle.slot);
    }
    const slot = new Slot(this.#options);
    this.#all.add(slot);
    return slot;
  }

  /**
   * Takes a slot back whose job container is gone. One that does not forget its attempt in time is removed; nothing that
   * a former job could have left is handed to the next.
   */
  async release(slot: Slot): Promise<void> {
    if (!this.#all.has(slot)) return;
    if ((await isReusable(slot)) && !this.#isClosed && this.#all.size <= this.#options.maxKept()) {
      this.#idle.push({ slot, since: performance.now() });
      return;
    }
    await this.destroy(slot);
  }

  async destroy(slot: Slot): Promise<void> {
    // Unowned from here on: should this fail, the reconciler removes it.
    this.#all.delete(slot);
    await slot.destroy();
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
    await Promise.allSettled(this.#removals);
    for (const slot of this.#all) slot.detach();
  }

  #discard(slot: Slot): void {
    // What cannot be removed now is the reconciler's.
    const removal = this.destroy(slot).catch(() => undefined);
    this.#removals.add(removal);
    removal.finally(() => this.#removals.delete(removal));
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
