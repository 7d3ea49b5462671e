import { pause } from '@cronium/lifecycle';
import { type Attempt, HandOverError, SupersededError } from '../attempt/attempt.ts';
import type { Claim } from '../claim/claim.ts';
import type { Place } from '../claim/claimer.ts';

interface Entry {
  readonly attempt: Attempt;
  readonly place: TakenPlace;
  readonly done: Promise<void>;
  exited: boolean;
}

/** An attempt of a former process is prepared already. */
type TakenPlace = Pick<Place, 'slot'> & Partial<Place>;

/** The attempts that this process works on. */
export class Running {
  readonly #entries = new Map<string, Entry>();
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Follows an attempt to its end; `work` never rejects. */
  add(attempt: Attempt, place: TakenPlace, work: () => Promise<void>): void {
    const ended = Promise.withResolvers<void>();
    this.#entries.set(attempt.id, { attempt, place, done: ended.promise, exited: false });
    work().finally(() => {
      place.turn?.release();
      place.slot.release();
      this.#entries.delete(attempt.id);
      this.#onChange();
      ended.resolve();
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  get ids(): ReadonlySet<string> {
    return new Set(this.#entries.keys());
  }

  get claims(): readonly Claim[] {
    return [...this.#entries.values()].map(({ attempt }) => attempt.claim);
  }

  /** Attempts whose container has ended and whose log or outcome is still on its way. */
  get backlog(): number {
    return this.#count((entry) => entry.exited);
  }

  /** Attempts that will want a subnet and have none yet. */
  get unprepared(): number {
    return this.#count(({ attempt, exited }) => !exited && !attempt.has('network_ended'));
  }

  /** The sandbox stands, or cannot be made: another job may be prepared. */
  prepared(attemptId: string): void {
    this.#entries.get(attemptId)?.place.turn?.release();
  }

  /** The container has ended: its slot is free again. */
  exited(attemptId: string): void {
    const entry = this.#entries.get(attemptId);
    if (!entry) return;
    entry.exited = true;
    entry.place.slot.release();
    this.#onChange();
  }

  /** All attempts of a job; there can be an old one that is being killed. */
  ofJob(jobId: string): readonly Attempt[] {
    return [...this.#entries.values()]
      .map(({ attempt }) => attempt)
      .filter(({ claim }) => claim.jobId === jobId);
  }

  /** Resolves when an attempt is over here. */
  async ended(attemptId: string): Promise<void> {
    await this.#entries.get(attemptId)?.done;
  }

  supersede(attemptId: string, answer: 'stale' | 'ended'): void {
    this.#entries.get(attemptId)?.attempt.drop(new SupersededError(attemptId, answer));
  }

  /** Waits until nothing runs, at most this long. */
  async drain(milliseconds: number): Promise<void> {
    const all = Promise.all([...this.#entries.values()].map(({ done }) => done));
    const over = new AbortController();
    await Promise.race([all, pause(milliseconds, over.signal).catch(() => undefined)]);
    over.abort();
  }

  /**
   * Lets go of everything that still runs, for the successor of this process. What does not come to a stop in this time is
   * left as by a process that was killed.
   */
  async handOver(milliseconds: number): Promise<readonly string[]> {
    const left = [...this.#entries.values()];
    for (const { attempt } of left) attempt.drop(new HandOverError());
    await this.drain(milliseconds);
    return left.map(({ attempt }) => attempt.id);
  }

  #count(matches: (entry: Entry) => boolean): number {
    return [...this.#entries.values()].filter(matches).length;
  }
}
