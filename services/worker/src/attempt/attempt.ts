import {
  type AttemptUpdate,
  type JobState,
  type TimelineEntry,
  type TimelineMoment,
  transition,
} from '@cronium/contracts';
import { firstOf, waitFor } from '@cronium/lifecycle';
import type { Claim } from '../claim/claim.ts';
import type { Lease } from '../claim/leases.ts';
import type { Stop } from '../outcome/evidence.ts';
import type { AttemptDeps } from './deps.ts';
import { JobClock, type StoodStill } from './job-clock.ts';

/** The reason of an abort: results knows a newer attempt of the job, or its end. */
export class SupersededError extends Error {
  override readonly name = 'SupersededError';
  readonly code = 'SUPERSEDED';
  /** `ended`: the job has its terminal state already and only the queue does not know. */
  readonly answer: 'stale' | 'ended';

  constructor(attemptId: string, answer: 'stale' | 'ended') {
    super(`${attemptId} was superseded: results answered ${answer}`);
    this.answer = answer;
  }
}

/** The reason of an abort: this process ends and its successor takes the attempt over, container and all. */
export class HandOverError extends Error {
  override readonly name = 'HandOverError';
  readonly code = 'HAND_OVER';

  constructor() {
    super('the worker stops; the attempt is left to its successor');
  }
}

/** What an attempt begins with; of one that is taken up again, what is known of it. */
export interface AttemptStart {
  readonly claim: Claim;
  readonly lease: Lease;
  readonly jti: string;
  readonly timeline?: readonly TimelineEntry[];
  readonly state?: JobState;
  readonly stood?: StoodStill | undefined;
  /** A former process was about to stop it. */
  readonly stop?: Stop | undefined;
}

type Attributes = NonNullable<TimelineEntry['attributes']>;

/** One attempt while this process works on it: its state, its timeline, and who wants it to end. */
export class Attempt {
  readonly claim: Claim;
  readonly lease: Lease;
  readonly jti: string;
  readonly #deps: AttemptDeps;
  readonly #timeline: TimelineEntry[];
  readonly #drop = new AbortController();
  readonly #handOver = new AbortController();
  readonly #stopping = new AbortController();
  #stop: Stop | undefined;
  #sealed = false;
  #state: JobState = 'claimed';
  #isSilent: boolean;
  image: { readonly reference: string; readonly id: string } | undefined;
  /** Aborts when the attempt is no longer this process's to finish; nothing may be reported then. */
  readonly dropped: AbortSignal;
  /** Aborts when the queue must not be told anything of the attempt any more: its lock is lost, or is the successor's. */
  readonly released: AbortSignal;
  /** Its time: stands still while its container does. */
  readonly clock: JobClock;

  constructor(start: AttemptStart, deps: AttemptDeps) {
    this.claim = start.claim;
    this.lease = start.lease;
    this.jti = start.jti;
    this.#timeline = [...(start.timeline ?? [])];
    this.#state = start.state ?? 'claimed';
    this.#isSilent = start.claim.lostAttempts.length > 0 && this.#state === 'claimed';
    this.#deps = deps;
    this.clock = new JobClock({
      ...(start.stood === undefined ? {} : { stood: start.stood }),
      onChange: (stood) => deps.journal.saveStood(this.id, stood),
    });
    if (start.stop !== undefined) {
      this.#stop = start.stop;
      this.#stopping.abort(start.stop);
    }
    this.released = firstOf(this.lease.signal, this.#handOver.signal);
    this.dropped = firstOf(this.released, this.#drop.signal);
  }

  get id(): string {
    return this.claim.attemptId;
  }

  get state(): JobState {
    return this.#state;
  }

  get timeline(): readonly TimelineEntry[] {
    return this.#timeline;
  }

  /** Aborts when the fleet wants the attempt ended; {@link stop} says why. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  get stop(): Stop | undefined {
    return this.#stop;
  }

  /** Asks for the end. Only the first wish counts, and none once the container has ended. */
  requestStop(stop: Stop): void {
    if (this.#sealed || this.#stop) return;
    // Durable before anything is done for it: a successor that finds the container ended must know why.
    this.#deps.journal.saveStop(this.id, stop);
    this.#stop = stop;
    this.#stopping.abort(stop);
  }

  /** Aborts when it is left to the successor of this process, with all that stands of it. */
  get handedOver(): AbortSignal {
    return this.#handOver.signal;
  }

  /** The container has ended: what comes later does not change how. */
  seal(): void {
    this.#sealed = true;
  }

  /** The attempt is no longer this process's: see {@link SupersededError} and {@link HandOverError}. */
  drop(reason: SupersededError | HandOverError): void {
    if (reason instanceof HandOverError) this.#handOver.abort(reason);
    else this.#drop.abort(reason);
  }

  /**
   * Call before every step that cannot be taken back. Waits while it is in doubt whether the job is ours.
   * @throws why the attempt is no longer ours
   */
  async sure(): Promise<void> {
    this.dropped.throwIfAborted();
    if (!this.lease.isSure) await waitFor(this.lease.sure(), this.dropped);
  }

  /** Changes the state, and tells results. @throws IllegalTransitionError */
  enter(state: JobState): void {
    this.#state = transition(this.#state, state);
    this.#deps.log.debug({ attempt: this.id, state }, 'attempt state');
    this.tell();
  }

  /** Records a moment; the first time counts. */
  moment(moment: TimelineMoment, at: number = Date.now(), attributes?: Attributes): void {
    if (this.has(moment)) return;
    this.#timeline.push({ moment, at, ...(attributes === undefined ? {} : { attributes }) });
    this.#deps.journal.saveTimeline(this.id, this.#timeline);
  }

  has(moment: TimelineMoment): boolean {
    return this.at(moment) !== undefined;
  }

  at(moment: TimelineMoment): TimelineEntry | undefined {
    return this.#timeline.find((entry) => entry.moment === moment);
  }

  /**
   * An attempt after one that ended without a word says nothing until results has let it begin: until then, that one's end
   * may still be told, and counts.
   */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  speak(): void {
    this.#isSilent = false;
  }

  tell(): void {
    if (!this.dropped.aborted && !this.#isSilent) this.#deps.reporter.tell(this.update());
  }

  /** All that is known so far, as results wants it. */
  update(end: Partial<Pick<AttemptUpdate, 'state' | 'outcome' | 'final' | 'nextRunAt'>> = {}): AttemptUpdate {
    const { attemptId, jobId, attempt, day, payload, lostAttempts } = this.claim;
    return {
      attemptId,
      jobId,
      attempt,
      day,
      payload,
      node: this.#deps.node,
      state: this.#state,
      timeline: this.#timeline.toSorted((one, other) => one.at - other.at),
      final: false,
      lostAttempts: [...lostAttempts],
      ...(this.image === undefined ? {} : { image: this.image }),
      ...end,
    };
  }
}
