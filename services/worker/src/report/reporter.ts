import type { AttemptUpdate, AttemptUpdateResults } from '@cronium/contracts';
import { comesWithin, pause, pauseBefore, waitFor } from '@cronium/lifecycle';
import { Faults, SET_ASIDE_MS } from './faults.ts';
import { isFault, isRefusal, type ResultsClient } from './results-client.ts';

/** What results said to an attempt's update. */
export type Answer = AttemptUpdateResults['results'][number]['result'];

export interface ReporterOptions {
  readonly results: Pick<ResultsClient, 'sendUpdates'>;
  /** Called for every answer that is not `stored`. */
  onRefusedEpoch(attemptId: string, answer: Exclude<Answer, 'stored'>): void;
  /** With an attempt: its update alone is not taken. */
  onError(error: unknown, attemptId?: string): void;
  /** How long an update waits that results alone fails at, or refuses. */
  readonly setAsideMs?: number;
}

const MAX_UPDATES = 500;
const MAX_BYTES = 4 * 1024 * 1024;
/** What an update has beside its payload, about. */
const TIMELINE_BYTES = 4000;
/**
 * Updates wait this long for others of the same node: those that someone waits for, and those that only tell, of which
 * most are out of date by then: a short job is told of once.
 */
const GATHER_MS = 20;
const GATHER_TOLD_MS = 250;
/** What only tells goes along with a request that is made anyway; none is made for it alone before this is over too. */
const GOES_ALONG_MS = 250;

interface Pending {
  update: AttemptUpdate;
  /** Rough size, for the request's bound. */
  bytes: number;
  /** Set while a sender waits for the answer. */
  readonly waiters: ((answer: Answer) => void)[];
  /** Monotonic; it goes earlier with a waiter. */
  notBefore: number;
  /** It was in a request that went wrong: it is sent alone. */
  alone: boolean;
  isSetAside: boolean;
}

/**
 * Tells results of this node's attempts, many in a request, one request at a time. Updates are cumulative, so only the
 * latest of each attempt is kept; results being away costs one update of memory for each living attempt. When results refuses
 * a request, or fails at several in a row, each update goes alone: the one that is to blame waits, and is tried seldom.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #pending = new Map<string, Pending>();
  /** Payloads can be large and are told of often. */
  readonly #sizes = new WeakMap<AttemptUpdate['payload'], number>();
  #wake = Promise.withResolvers<void>();
  /** Resolves when someone waits for an answer. */
  #urgent = Promise.withResolvers<void>();
  /** Since when results has not answered, monotonic; `undefined` while it does. */
  #failingSince: number | undefined;
  #lastError = '';
  readonly #faults = new Faults();
  #isTurnOfAlone = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Why results does not take updates at the moment; `undefined` when it does. */
  get trouble(): string | undefined {
    return this.#failingSince === undefined ? undefined : this.#lastError;
  }

  /** How many attempts have something untold. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Updates that results alone fails at, or refuses. */
  get setAside(): number {
    return [...this.#pending.values()].filter(({ isSetAside }) => isSetAside).length;
  }

  /** Tells of an attempt, some time; a later update of the same attempt takes its place. */
  tell(update: AttemptUpdate): void {
    const bytes = this.#sizeOf(update.payload);
    const known = this.#pending.get(update.attemptId);
    if (known) {
      known.update = update;
      known.bytes = bytes;
      // What was refused may be well now.
      known.notBefore = Math.min(known.notBefore, performance.now() + GATHER_TOLD_MS);
    } else {
      const notBefore = performance.now() + GATHER_TOLD_MS;
      this.#pending.set(update.attemptId, {
        update,
        bytes,
        waiters: [],
        notBefore,
        alone: false,
        isSetAside: false,
      });
    }
    this.#wake.resolve();
  }

  /**
   * Tells of an attempt and waits for the answer, however long results is away.
   * @throws the signal's reason
   */
  async confirm(update: AttemptUpdate, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    this.tell(update);
    const answered = Promise.withResolvers<Answer>();
    const pending = this.#pending.get(update.attemptId);
    pending?.waiters.push(answered.resolve);
    if (pending) pending.notBefore = 0;
    this.#urgent.resolve();
    return waitFor(answered.promise, signal);
  }

  /** Forgets what is untold of an attempt: it is no longer ours. */
  drop(attemptId: string): void {
    this.#pending.delete(attemptId);
  }

  /** Sends until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#pending.size === 0) await this.#idle(signal);
        if (failures > 0) await pause(pauseBefore(failures + 1, { baseMs: 100, maxMs: 5000 }), signal);
        else await this.#gather(signal);
        await this.#round(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#failed(error);
      }
    }
  }

  /** One last attempt to tell what is untold, when the process stops. */
  async flush(signal: AbortSignal): Promise<void> {
    for (const one of this.#pending.values()) if (!one.alone) one.notBefore = 0;
    while (this.#pending.size > 0 && !signal.aborted) await this.#round(signal);
  }

  async #idle(signal: AbortSignal): Promise<void> {
    this.#wake = Promise.withResolvers();
    if (this.#pending.size === 0) await waitFor(this.#wake.promise, signal);
  }

  /** Until the first update is due or waited for, and a moment longer. */
  async #gather(signal: AbortSignal): Promise<void> {
    const first = Math.min(
      ...[...this.#pending.values()].map(({ notBefore, waiters, alone }) =>
        waiters.length > 0 || alone ? notBefore : notBefore + GOES_ALONG_MS,
      ),
    );
    const leftMs = Math.min(GATHER_TOLD_MS + GOES_ALONG_MS, first - performance.now());
    if (leftMs > 0) await comesWithin(this.#urgent.promise, leftMs, signal);
    this.#urgent = Promise.withResolvers();
    await pause(GATHER_MS, signal);
  }

  async #round(signal: AbortSignal): Promise<void> {
    const batch = this.#nextBatch();
    if (batch.length === 0) return pause(GATHER_TOLD_MS, signal);
    const sent = batch.map(({ update }) => update);
    try {
      const { results } = await this.#options.results.sendUpdates(sent, signal);
      this.#failingSince = undefined;
      if (this.#faults.end()) this.#tryAll();
      const known = new Set(sent);
      for (const { attemptId, result } of results) this.#answered(attemptId, result, known);
    } catch (error) {
      if (!this.#isOfOne(error, batch)) throw error;
      this.#isolate(batch, error);
    }
  }

  #nextBatch(): Pending[] {
    const now = performance.now();
    const due = [...this.#pending.values()].filter(({ notBefore }) => notBefore <= now);
    const alone = due.find((one) => one.alone);
    const others = due.filter((one) => !one.alone);
    this.#isTurnOfAlone = !this.#isTurnOfAlone;
    if (alone && (this.#isTurnOfAlone || others.length === 0)) return [this.#last(alone)];
    let bytes = 0;
    const end = others.findIndex((one, index) => {
      bytes += one.bytes;
      return index > 0 && (index >= MAX_UPDATES || bytes > MAX_BYTES);
    });
    return end < 0 ? others : others.slice(0, end);
  }

  /** The others have their turn before this one has another, whatever comes of it. */
  #last(one: Pending): Pending {
    this.#pending.delete(one.update.attemptId);
    this.#pending.set(one.update.attemptId, one);
    return one;
  }

  #answered(attemptId: string, answer: Answer, sent: ReadonlySet<AttemptUpdate>): void {
    const known = this.#pending.get(attemptId);
    if (answer !== 'stored') this.#options.onRefusedEpoch(attemptId, answer);
    if (!known) return;
    if (!sent.has(known.update)) {
      // One that came while this one was on its way is still to be sent.
      known.alone = false;
      known.isSetAside = false;
      if (known.waiters.length === 0) known.notBefore = performance.now() + GATHER_TOLD_MS;
      return;
    }
    this.#pending.delete(attemptId);
    for (const resolve of known.waiters) resolve(answer);
  }

  /** May it come of one update alone? */
  #isOfOne(error: unknown, batch: readonly Pending[]): boolean {
    if (isRefusal(error)) return true;
    if (!isFault(error)) return false;
    const isRepeated = this.#faults.add();
    return isRepeated || batch.some(({ alone }) => alone);
  }

  /** One of these is to blame: each goes alone, and the one that is wrong waits. */
  #isolate(batch: readonly Pending[], error: unknown): void {
    for (const one of batch) one.alone = true;
    const [only] = batch;
    if (batch.length > 1 || !only) return;
    this.#options.onError(error, only.update.attemptId);
    only.isSetAside = true;
    only.notBefore = performance.now() + (this.#options.setAsideMs ?? SET_ASIDE_MS);
  }

  #tryAll(): void {
    for (const one of this.#pending.values()) if (one.isSetAside) one.notBefore = 0;
  }

  #sizeOf(payload: AttemptUpdate['payload']): number {
    const size = this.#sizes.get(payload) ?? TIMELINE_BYTES + JSON.stringify(payload).length;
    this.#sizes.set(payload, size);
    return size;
  }

  #failed(error: unknown): void {
    this.#lastError = error instanceof Error ? error.message : String(error);
    if (this.#failingSince === undefined) this.#options.onError(error);
    this.#failingSince ??= performance.now();
  }
}
