import { type JobSpec, jobContainerName } from '@cronium/contracts';
import { BackgroundWork } from '../background-work.ts';
import { short } from '../containers.ts';
import type { DaemonRun } from '../daemon-epoch.ts';
import type { ImageFacts } from '../images.ts';
import { runsInWorkspace } from '../job-program.ts';
import { createJob, type JobTools, startJob } from '../job-start.ts';
import type { LiveOutput } from '../log/live.ts';
import { removeJob } from '../removal.ts';
import type { SandboxError } from '../runtime.ts';
import type { SlotNetwork } from '../slot/network.ts';
import type { Slot } from '../slot/slot.ts';
import type { SlotPool } from '../slot/slots.ts';
import { Demand, type Kind } from './demand.ts';

/** Making one takes a processor's whole attention for a moment. */
const MADE_AT_ONCE = 2;
/** After a job took one: its own start comes first. */
const AFTER_TAKE_MS = 150;
/** What was not made is tried again this late; and images are looked at again. */
const TEND_MS = 5000;
/** Slots that a burst of jobs left, beyond what is kept, go after this time. */
const UNUSED_MS = 60_000;

/** A slot with a job container that is started and waits for its program. No user code has run in it. */
export interface WarmSandbox {
  readonly kind: Kind;
  readonly slot: Slot;
  readonly containerId: string;
  readonly image: ImageFacts;
  readonly live: LiveOutput;
  /** The daemon's run when it started. */
  readonly startedIn: DaemonRun | undefined;
  readonly network: SlotNetwork;
  readonly holderId: string;
  readonly sidecarId: string;
}

export interface WarmPoolOptions extends JobTools {
  readonly slots: SlotPool;
}

/**
 * Keeps job containers started before their jobs come, of the kinds that are likely to come. Each is used once. What
 * cannot be made now is made later: a job that finds none is started cold.
 */
export class WarmPool {
  readonly #options: WarmPoolOptions;
  readonly #demand = new Demand();
  readonly #warm: WarmSandbox[] = [];
  readonly #making = new Map<string, number>();
  readonly #work: BackgroundWork;
  #isKept = true;
  #timer: NodeJS.Timeout | undefined;
  #tendAt = Number.POSITIVE_INFINITY;

  constructor(options: WarmPoolOptions) {
    this.#options = options;
    this.#work = new BackgroundWork((error) =>
      options.options.logger.debug({ err: error }, 'what is kept ready could not be looked after'),
    );
  }

  /** How many slots are worth keeping: under load one is torn down while the next job takes another. */
  get maxSlots(): number {
    return this.#isKept ? 2 * this.#options.options.idleSlots : 0;
  }

  /** How many stand ready. */
  get size(): number {
    return this.#warm.length;
  }

  /** One for the job, if one stands ready; it is the caller's from now on. The demand is noted in either case. */
  take(spec: JobSpec): WarmSandbox | undefined {
    const kind = this.#kindOf(spec);
    this.#demand.came(kind, performance.now());
    this.#tendIn(AFTER_TAKE_MS);
    const index = this.#warm.findIndex((one) => one.kind.key === kind.key && isSound(one));
    return index < 0 ? undefined : this.#warm.splice(index, 1)[0];
  }

  /** What the queues hold for this node; `undefined` when it shall take no jobs, and keep nothing ready for them. */
  forecast(specs: readonly JobSpec[] | undefined): void {
    this.#isKept = specs !== undefined;
    this.#demand.waiting(
      (specs ?? []).map((spec) => this.#kindOf(spec)),
      performance.now(),
    );
    this.#tendIn(0);
  }

  /** Looks soon at what is wanted and what there is: a slot is free again, an image has changed. */
  tend(): void {
    this.#tendIn(0);
  }

  /** Removes all, and makes none any more. */
  async close(): Promise<void> {
    this.#isKept = false;
    clearTimeout(this.#timer);
    await this.#work.ended();
    await Promise.allSettled(this.#warm.splice(0).map((one) => this.#remove(one)));
  }

  /** Gives up the one that stands ready the longest: a job of another kind needs its slot. False when there is none. */
  async spare(): Promise<boolean> {
    const one = this.#warm.shift();
    if (one !== undefined) await this.#remove(one);
    return one !== undefined;
  }

  /** Takes back one whose job did not come to use it: its container was told nothing, and its sidecar was being bound. */
  takeBack(one: WarmSandbox, bound: Promise<void>): void {
    this.#work.add(this.#takeBack(one, bound));
  }

  /** Gives back one whose job could not use it. */
  async discard(one: WarmSandbox): Promise<void> {
    await this.#remove(one);
  }

  #kindOf(spec: JobSpec): Kind {
    const { images } = this.#options;
    const parts = [images.referenceFor(spec), runsInWorkspace(spec), spec.resources];
    return { key: JSON.stringify(parts), spec };
  }

  /** At the latest then: many jobs in a row do not put it off. */
  #tendIn(milliseconds: number): void {
    const at = performance.now() + milliseconds;
    if (at >= this.#tendAt) return;
    clearTimeout(this.#timer);
    this.#tendAt = at;
    this.#timer = setTimeout(() => {
      this.#tendAt = Number.POSITIVE_INFINITY;
      this.#work.add(this.#tend());
      if (this.#warm.length > 0 || this.#options.slots.idle > 0) this.#tendIn(TEND_MS);
    }, milliseconds);
    this.#timer.unref();
  }

  async #tend(): Promise<void> {
    const { options, slots } = this.#options;
    const limit = this.#isKept ? options.idleSlots : 0;
    const plan = this.#demand.wanted(limit, performance.now());
    await this.#removeStale(plan);
    for (const [key, { kind, count }] of plan) {
      if (this.#demand.isDoubtful(key, performance.now())) continue;
      const have = this.#warm.filter((one) => one.kind.key === key).length + (this.#making.get(key) ?? 0);
      for (let missing = count - have; missing > 0 && this.#mayMake(); missing--) this.#makeOne(kind);
    }
    await slots.shrink({ to: limit, idleMs: this.#isKept ? UNUSED_MS : 0 });
  }

  #mayMake(): boolean {
    const making = [...this.#making.values()].reduce((sum, count) => sum + count, 0);
    const { slots, options } = this.#options;
    // A slot that is in use comes back: none is made beside it beyond what is kept when nothing runs.
    return this.#isKept && making < MADE_AT_ONCE && (slots.idle > 0 || slots.size < options.idleSlots);
  }

  #makeOne(kind: Kind): void {
    this.#making.set(kind.key, (this.#making.get(kind.key) ?? 0) + 1);
    const making = this.#make(kind).then(
      (one) => {
        this.#warm.push(one);
        this.#demand.tried(kind.key, true, performance.now());
        return 0;
      },
      (error: unknown) => {
        this.#demand.tried(kind.key, false, performance.now());
        this.#options.options.logger.debug({ err: error }, 'no container could be made ready; trying later');
        return TEND_MS;
      },
    );
    const made = making.finally(() => {
      const left = (this.#making.get(kind.key) ?? 1) - 1;
      if (left > 0) this.#making.set(kind.key, left);
      else this.#making.delete(kind.key);
    });
    this.#work.add(made.then((milliseconds) => this.#tendIn(milliseconds)));
  }

  async #make(kind: Kind): Promise<WarmSandbox> {
    const { context, images, slots } = this.#options;
    const image = await images.peek(kind.spec);
    if (image === undefined) throw new Error(`the image of ${kind.key} is not on this node`);
    const startedIn = await context.epoch.current();
    const slot = slots.takeForStock();
    try {
      const parts = {
        network: await slot.network,
        holderId: await slot.holder,
        sidecarId: await slot.sidecarId(),
      };
      // Last: one that is started can be taken.
      return { kind, slot, image, startedIn, ...(await this.#start(kind, slot, image)), ...parts };
    } catch (error) {
      await slots.destroy(slot);
      throw error;
    }
  }

  async #start(
    kind: Kind,
    slot: Slot,
    image: ImageFacts,
  ): Promise<{ readonly containerId: string; readonly live: LiveOutput }> {
    const { containerId } = await createJob(this.#options, {
      name: jobContainerName(slot.id),
      mayReplace: () => true,
      labels: slot.labels('job'),
      spec: kind.spec,
      image,
      holderId: await slot.holder,
      signal: AbortSignal.timeout(this.#options.context.limits.callMs),
    });
    return { containerId, live: await startJob(this.#options.context, containerId) };
  }

  /** Removes what is dead, what nobody wants any more, and what was made from an image that is another now. */
  async #removeStale(plan: ReadonlyMap<string, { readonly count: number }>): Promise<void> {
    const kept = new Map<string, number>();
    const current = await this.#currentImages();
    const stale = this.#warm.filter((one) => {
      const { key } = one.kind;
      const count = kept.get(key) ?? 0;
      const isWanted = count < (plan.get(key)?.count ?? 0) && current.get(key) === one.image.id;
      if (isWanted && isSound(one)) kept.set(key, count + 1);
      return !(isWanted && isSound(one));
    });
    for (const one of stale) {
      const index = this.#warm.indexOf(one);
      // A job may have taken it while images were looked at.
      if (index < 0) continue;
      this.#warm.splice(index, 1);
      this.#work.add(this.#remove(one));
    }
  }

  async #currentImages(): Promise<ReadonlyMap<string, string | undefined>> {
    const kinds = new Map(this.#warm.map(({ kind }) => [kind.key, kind]));
    return new Map(
      await Promise.all(
        [...kinds].map(
          async ([key, kind]) => [key, (await this.#options.images.peek(kind.spec))?.id] as const,
        ),
      ),
    );
  }

  async #takeBack(one: WarmSandbox, bound: Promise<void>): Promise<void> {
    const unbound = bound.then(() => one.slot.unbind());
    const isFree = await unbound.then(
      () => true,
      (_: SandboxError) => false,
    );
    if (!isFree || !this.#isKept) return this.#remove(one);
    this.#warm.push(one);
    this.#tendIn(0);
  }

  async #remove({ containerId, live, slot }: WarmSandbox): Promise<void> {
    const { context, slots, options } = this.#options;
    live.close();
    context.events.forget(containerId);
    try {
      const { client, limits } = context;
      await removeJob(client, containerId, limits.releaseMs);
      await slots.release(slot);
    } catch (error) {
      options.logger.warn(
        { err: error, container: short(containerId) },
        'a container that waited for a job stays',
      );
      await slots.destroy(slot);
    }
  }
}

function isSound({ live, slot }: WarmSandbox): boolean {
  return live.isOpen && slot.isSound;
}
