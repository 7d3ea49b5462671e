import type { SandboxError } from '../runtime.ts';
import { Slot, type SlotTools } from './slot.ts';

/** Jobs that a slot serves before it makes room for a new one: whatever a sidecar gathers has an end. */
const MAX_USES = 1000;

export interface SlotsOptions extends SlotTools {
  /** How many idle slots are kept. */
  maxIdle(): number;
}

/** The slots of this node: those that serve a job, and those that wait for one. */
export class SlotPool {
  readonly #options: SlotsOptions;
  readonly #all = new Set<Slot>();
  readonly #idle: Slot[] = [];
  readonly #removals = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: SlotsOptions) {
    this.#options = options;
  }

  /** How many wait for a job. */
  get idle(): number {
    return this.#idle.length;
  }

  /** Is the slot one of this process, in use or not? */
  has(id: string): boolean {
    return [...this.#all].some((slot) => slot.id === id);
  }

  /** A slot for one attempt: one that waits, or a new one, which is still being made. */
  take(): Slot {
    for (let slot = this.#idle.pop(); slot !== undefined; slot = this.#idle.pop()) {
      if (slot.isSound) return slot;
      this.#discard(slot);
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
    if (await isReusable(slot)) {
      if (!this.#isClosed && this.#idle.length < this.#options.maxIdle()) {
        this.#idle.push(slot);
        return;
      }
    }
    await this.destroy(slot);
  }

  async destroy(slot: Slot): Promise<void> {
    // Unowned from here on: should this fail, the reconciler removes it.
    this.#all.delete(slot);
    await slot.destroy();
  }

  /** Removes idle slots until so many are left, those that waited longest first. */
  async shrink(to: number): Promise<void> {
    const surplus = this.#idle.splice(0, Math.max(0, this.#idle.length - to));
    await Promise.allSettled(surplus.map((slot) => this.destroy(slot)));
  }

  /** Removes all idle slots, lets go of the others, and keeps none from now on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.shrink(0);
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
  return Promise.all([slot.unbind(), slot.unname()]).then(
    () => true,
    (_: SandboxError) => false,
  );
}
