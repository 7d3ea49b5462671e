import type { NodeRecord } from '@cronium/contracts';
import { deadline, pause } from '@cronium/lifecycle';
import type { Gate } from '../claim/gate.ts';
import { ANSWER_MS, untilAnswered } from './until-answered.ts';

/** A worker reports every five seconds: one that has missed three reports is dead, or has another name now. */
const SILENT_MS = 16_000;
const LOOK_MS = 1000;
/** Nobody takes the name over sooner after a report. Two reports may fail before nothing is claimed or removed. */
const SURE_MS = 12_000;

export interface NameClaimOptions {
  readonly node: string;
  /** Of the node's own key, which is in its state directory. */
  readonly kid: string | undefined;
  readonly gate: Gate;
  /** What was last reported under the name. */
  record(): Promise<NodeRecord | undefined>;
  readonly silentMs?: number;
  readonly sureMs?: number;
}

/**
 * Keeps a node's name to one worker. By the name a worker tells its own containers from others, and the fleet its key: two
 * under one name would remove each other's jobs and void each other's reports. A report that another key has signed for is
 * a worker's with another state directory; that one is given way to until it has been silent for some time.
 */
export class NameClaim {
  readonly #options: NameClaimOptions;
  /** The last report of another worker, and since when it is known (monotonic milliseconds). */
  #other: { readonly seenAt: number; readonly since: number } | undefined;
  /** Before the last report that was taken was begun (monotonic milliseconds). */
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(options: NameClaimOptions) {
    this.#options = options;
  }

  /**
   * Was the name reported as ours so lately that nobody can have taken it since? It asks nobody and waits for nothing, so
   * that the answer is right after a standstill too.
   */
  get isSure(): boolean {
    return this.#isRecent(this.#reportedAt);
  }

  /**
   * Looks, and reports if the name is ours.
   * @param publish publishes over what was read, and gives false when another worker's report came in between
   * @throws when the store does not answer, or its answer was not heard for long
   */
  async report(publish: (before: NodeRecord | undefined) => Promise<boolean>): Promise<void> {
    const since = performance.now();
    const { isOurs, found } = await this.#look();
    if (!isOurs) return;
    if (!this.#isRecent(since))
      throw new Error('whose the node’s name is was heard too late to report under it');
    if (await publish(found)) this.#reportedAt = since;
    else await this.#look();
  }

  #isRecent(since: number): boolean {
    return performance.now() - since < (this.#options.sureMs ?? SURE_MS);
  }

  /** Looks, and closes the gate while the name is another's. @throws when the store does not answer */
  async isOurs(): Promise<boolean> {
    return (await this.#look()).isOurs;
  }

  async #look(): Promise<{ readonly isOurs: boolean; readonly found: NodeRecord | undefined }> {
    const { gate, node, record, silentMs = SILENT_MS } = this.#options;
    const found = await record();
    const isOurs = found === undefined || this.#isOver(found, silentMs);
    if (isOurs) this.#other = undefined;
    else this.#reportedAt = Number.NEGATIVE_INFINITY;
    const message = `another worker, with another CRONIUM_STATE_DIR, reports under the name ${node}: give one of the two a CRONIUM_NODE of its own. If it is gone, this one goes on when it has been silent for ${silentMs / 1000} s`;
    gate.set('name', isOurs ? undefined : message);
    return { isOurs, found };
  }

  /**
   * Resolves when the name is this worker's, as far as anybody says: what a former process left must also be looked after
   * while the store is away.
   */
  async settled(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      using limit = deadline(ANSWER_MS, 'nobody says whose the node’s name is', signal);
      if (await untilAnswered(() => this.isOurs(), limit).catch(() => true)) return;
      await pause(LOOK_MS, signal).catch(() => undefined);
    }
  }

  #isOver({ state, keys, seenAt }: NodeRecord, silentMs: number): boolean {
    const { kid } = this.#options;
    if (state === 'stopped' || keys.some((key) => key.kid === kid)) return true;
    const now = performance.now();
    // Its clock may be another: what counts is that nothing new comes.
    if (this.#other?.seenAt !== seenAt) this.#other = { seenAt, since: now };
    return now - this.#other.since >= silentMs;
  }
}
