import type { CancelRequest, ControlMessage } from '@cronium/contracts';
import type { Fields, Lock, Taking } from '../../../services/worker/src/claim/queue.ts';

interface Job {
  data: string;
  readonly priority: number;
  readonly order: number;
  started: number;
  lock: { readonly token: string; readonly untilMs: number } | undefined;
}

/**
 * One queue as BullMQ keeps it in Valkey, as far as a worker can tell: locks that run out, the stalled check in two
 * rounds, delayed jobs, a marker that wakes one waiter. Each method is one script. `conformance.test.ts` holds it against
 * the real one.
 */
export class SimulatedQueue {
  readonly #jobs = new Map<string, Job>();
  /** Next first. */
  readonly #wait: string[] = [];
  readonly #prioritized: string[] = [];
  readonly #delayed = new Map<string, number>();
  readonly #active = new Set<string>();
  #stalled = new Set<string>();
  #checkedUntilMs = 0;
  #order = 0;
  readonly #waiters = new Set<() => void>();

  add(id: string, data: string, priority = 0): void {
    if (this.#jobs.has(id)) return;
    this.#jobs.set(id, { data, priority, order: this.#order++, started: 0, lock: undefined });
    this.#enqueue(id);
  }

  /** Takes it out unless a worker holds it. */
  remove(id: string): 'active' | 'removed' | 'unknown' {
    const job = this.#jobs.get(id);
    if (job === undefined) return 'unknown';
    if (this.#active.has(id)) return 'active';
    for (const list of [this.#wait, this.#prioritized]) drop(list, id);
    this.#delayed.delete(id);
    this.#jobs.delete(id);
    return 'removed';
  }

  take(token: string, lockMs: number): Taking {
    this.#promote();
    const id = this.#wait.shift() ?? this.#prioritized.shift();
    const job = id === undefined ? undefined : this.#jobs.get(id);
    if (id === undefined || job === undefined) {
      const nextAt = Math.min(...this.#delayed.values());
      return { type: 'empty', nextAt: Number.isFinite(nextAt) ? nextAt : undefined };
    }
    this.#active.add(id);
    job.started += 1;
    job.lock = { token, untilMs: Date.now() + lockMs };
    if (this.#wait.length + this.#prioritized.length > 0) this.wake();
    return { type: 'job', job: { id, data: job.data, started: job.started, keep: true } };
  }

  /** Extends locks, and sets again those that ran out where nobody took the job since. @returns the ids refused */
  extend(held: readonly Lock[], lockMs: number): string[] {
    return held.flatMap(({ jobId, token, started }) => {
      const job = this.#jobs.get(jobId);
      const lock = this.#lockOf(jobId);
      const isFree = lock === undefined && job?.started === started && this.#active.has(jobId);
      if (job === undefined || !(lock?.token === token || isFree)) return [jobId];
      job.lock = { token, untilMs: Date.now() + lockMs };
      this.#stalled.delete(jobId);
      return [];
    });
  }

  complete(id: string, token: string): boolean {
    if (!this.#release(id, token)) return false;
    this.#jobs.delete(id);
    return true;
  }

  putBack(id: string, token: string, delayMs: number, fields: Fields): boolean {
    if (!this.#release(id, token)) return false;
    const job = this.#jobs.get(id);
    if (job !== undefined && typeof fields.data === 'string') job.data = fields.data;
    this.#delayed.set(id, Date.now() + Math.max(0, Math.round(delayMs)));
    this.wake();
    return true;
  }

  /** A job without a lock goes back when it was active at the check before, too. */
  moveStalled(everyMs: number): string[] {
    if (Date.now() < this.#checkedUntilMs) return [];
    this.#checkedUntilMs = Date.now() + everyMs;
    const moved = [...this.#stalled].filter((id) => {
      if (this.#lockOf(id) !== undefined || !this.#active.delete(id)) return false;
      this.#wait.unshift(id);
      return true;
    });
    this.#stalled = new Set(this.#active);
    if (moved.length > 0) this.wake();
    return moved;
  }

  /** When a job can be taken: 0 for now. */
  nextAt(): number | undefined {
    if (this.#wait.length + this.#prioritized.length > 0) return 0;
    const at = Math.min(...this.#delayed.values());
    return Number.isFinite(at) ? at : undefined;
  }

  onWake(wake: () => void): () => void {
    this.#waiters.add(wake);
    return () => this.#waiters.delete(wake);
  }

  /** One of those that wait. */
  wake(): void {
    const [first] = this.#waiters;
    if (first === undefined) return;
    this.#waiters.delete(first);
    first();
  }

  peek(count: number): string[] {
    return [...this.#wait, ...this.#prioritized]
      .slice(0, count)
      .flatMap((id) => this.#jobs.get(id)?.data ?? []);
  }

  /** Where each job is, for tests. */
  get places(): Readonly<Record<'waiting' | 'delayed' | 'active', readonly string[]>> {
    const waiting = [...this.#wait, ...this.#prioritized];
    return { waiting, delayed: [...this.#delayed.keys()], active: [...this.#active] };
  }

  /** Its lock runs out now, for tests. */
  expire(id: string): void {
    const job = this.#jobs.get(id);
    if (job !== undefined) job.lock = undefined;
  }

  get size(): number {
    return this.#jobs.size;
  }

  #lockOf(id: string): Job['lock'] {
    const lock = this.#jobs.get(id)?.lock;
    return lock !== undefined && lock.untilMs > Date.now() ? lock : undefined;
  }

  #release(id: string, token: string): boolean {
    const job = this.#jobs.get(id);
    if (job === undefined || this.#lockOf(id)?.token !== token || !this.#active.delete(id)) return false;
    job.lock = undefined;
    this.#stalled.delete(id);
    return true;
  }

  #promote(): void {
    const due = [...this.#delayed].filter(([, atMs]) => atMs <= Date.now()).toSorted((a, b) => a[1] - b[1]);
    for (const [id] of due) {
      this.#delayed.delete(id);
      this.#enqueue(id);
    }
  }

  #enqueue(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    if (job.priority === 0) this.#wait.push(id);
    else {
      const at = this.#prioritized.findIndex(
        (other) => (this.#jobs.get(other)?.priority ?? 0) > job.priority,
      );
      this.#prioritized.splice(at < 0 ? this.#prioritized.length : at, 0, id);
    }
    this.wake();
  }
}

function drop(list: string[], id: string): void {
  const at = list.indexOf(id);
  if (at >= 0) list.splice(at, 1);
}

/** The whole store: queues, and the fleet's keys that the rounds use. */
export class SimulatedValkey {
  readonly queues = new Map<string, SimulatedQueue>();
  /** The registered queues: name -> JSON. */
  readonly records = new Map<string, string>();
  readonly cancels = new Map<string, CancelRequest>();
  readonly #listeners = new Set<(message: ControlMessage) => void>();

  queue(name: string): SimulatedQueue {
    const known = this.queues.get(name) ?? new SimulatedQueue();
    this.queues.set(name, known);
    return known;
  }

  subscribe(listener: (message: ControlMessage) => void): void {
    this.#listeners.add(listener);
  }

  publish(message: ControlMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}
