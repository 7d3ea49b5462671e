import { encodeChunks, type LogAcks, type LogChunk } from '@cronium/contracts';
import { comesWithin, pause, pauseBefore, waitFor } from '@cronium/lifecycle';
import { Faults, SET_ASIDE_MS } from '../report/faults.ts';
import { type LogStream, Stream, type StreamOwner } from './log-stream.ts';

export interface ShipperOptions {
  /** Sends frames and returns the acknowledgements. Throws when results is away or refuses. */
  send(frames: Buffer, signal: AbortSignal): Promise<LogAcks>;
  /** Is this failure a refusal of the content itself, so that the same bytes will never be taken? */
  isRefusal(error: unknown): boolean;
  /** Did results take the request and fail at it, so that it may come of one chunk alone? */
  isFault(error: unknown): boolean;
  /** So many compressed bytes more are stored. */
  onAcknowledged?(bytes: number): void;
  /** With an attempt: one chunk of its log is not taken. */
  onError(error: unknown, attemptId?: string): void;
  /** Compressed bytes on their way: of one attempt, and of all. Writers wait above it. */
  readonly attemptBytes?: number;
  readonly nodeBytes?: number;
  /** How long a log waits whose next chunk alone results fails at. */
  readonly setAsideMs?: number;
}

const REQUEST_BYTES = 2 * 1024 * 1024;
const REQUEST_CHUNKS = 500;
/**
 * The end of a log waits this long for those of other attempts that are under way: nobody reads on there, and each request
 * is a transaction.
 */
const GATHER_ENDS_MS = 20;

/**
 * Sends the chunks of all attempts of this node, many in a request, one request at a time: so each attempt's chunks
 * arrive in order. Results being away is no failure; it tries again for ever, and writers wait. When results fails at
 * requests again and again, each of their chunks goes alone: the log whose chunk is to blame waits, and is tried seldom.
 */
export class Shipper implements StreamOwner {
  readonly #options: ShipperOptions;
  readonly #streams = new Set<Stream>();
  #bytes = 0;
  #wake = Promise.withResolvers<void>();
  readonly #faults = new Faults();
  #turn = 0;

  constructor(options: ShipperOptions) {
    this.#options = options;
  }

  /** Compressed bytes that are not acknowledged. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  /** How old the oldest line is that is not acknowledged, in milliseconds. */
  lagMs(nowMs: number): number {
    const oldest = [...this.#streams].flatMap(({ chunks }) => chunks[0]?.header.time ?? []);
    return oldest.length === 0 ? 0 : Math.max(0, nowMs - Math.min(...oldest));
  }

  /** Logs whose next chunk results fails at. */
  get setAside(): number {
    return [...this.#streams].filter(({ isSetAside }) => isSetAside).length;
  }

  open(attemptId: string): LogStream {
    const stream = new Stream(attemptId, this);
    this.#streams.add(stream);
    return stream;
  }

  /** @internal */
  hasRoom(streamBytes: number): boolean {
    const { attemptBytes = 4 * 1024 * 1024, nodeBytes = 64 * 1024 * 1024 } = this.#options;
    // However much waits of others, one chunk of each has room.
    return streamBytes === 0 || (streamBytes < attemptBytes && this.#bytes < nodeBytes);
  }

  /** @internal */
  added(bytes: number): void {
    this.#bytes += bytes;
    this.#wake.resolve();
  }

  /** @internal */
  removed(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** @internal */
  acknowledged(bytes: number): void {
    if (bytes > 0) this.#options.onAcknowledged?.(bytes);
  }

  /** @internal */
  closed(stream: Stream): void {
    this.#streams.delete(stream);
    this.#notify();
  }

  /** Sends until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await this.#idle(signal);
        await this.#gatherEnds(signal);
        const batch = this.#nextBatch();
        if (batch.length === 0) continue;
        failures = (await this.#ship(batch, signal)) ? 0 : failures + 1;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        this.#options.onError(error);
      }
      if (failures > 0) {
        await pause(pauseBefore(failures + 1, { baseMs: 100, maxMs: 5000 }), signal).catch(() => undefined);
      }
    }
  }

  async #idle(signal: AbortSignal): Promise<void> {
    this.#wake = Promise.withResolvers();
    const due = [...this.#streams].flatMap(({ chunks, notBefore }) => (chunks.length > 0 ? notBefore : []));
    if (due.length === 0) return waitFor(this.#wake.promise, signal);
    const leftMs = Math.min(...due) - performance.now();
    if (leftMs > 0) await comesWithin(this.#wake.promise, leftMs, signal);
  }

  /** Until something comes that someone may read at once, or it is time. */
  async #gatherEnds(signal: AbortSignal): Promise<void> {
    if (!this.#hasOnlyEnds) return;
    const until = performance.now() + GATHER_ENDS_MS;
    do {
      this.#wake = Promise.withResolvers();
    } while (
      (await comesWithin(this.#wake.promise, until - performance.now(), signal)) &&
      this.#hasOnlyEnds &&
      performance.now() < until
    );
  }

  /** Is there more to come, and nothing there but the last chunks of logs? */
  get #hasOnlyEnds(): boolean {
    let isMoreToCome = false;
    for (const { chunks } of this.#streams) {
      if (chunks.length === 0) isMoreToCome = true;
      else if (!chunks[0]?.header.last) return false;
    }
    return isMoreToCome;
  }

  /** @returns was anything acknowledged? */
  async #ship(batch: readonly LogChunk[], signal: AbortSignal): Promise<boolean> {
    let acks: LogAcks;
    try {
      acks = await this.#options.send(encodeChunks(batch), signal);
    } catch (error) {
      if (!this.#isOfOne(error, batch)) throw error;
      this.#isolate(batch, error);
      return true;
    }
    if (this.#faults.end()) for (const stream of this.#streams) stream.notBefore = 0;
    const streams = new Map([...this.#streams].map((stream) => [stream.attemptId, stream]));
    const advanced = acks.acks.filter(({ attemptId, nextChunk }) => {
      const stream = streams.get(attemptId);
      // A stream that was closed in the meantime needs no more of it.
      return stream === undefined || stream.acknowledge(nextChunk);
    });
    this.#notify();
    return advanced.length > 0;
  }

  /** May it come of one chunk alone? */
  #isOfOne(error: unknown, batch: readonly LogChunk[]): boolean {
    if (this.#options.isRefusal(error)) return true;
    if (!this.#options.isFault(error)) return false;
    const isRepeated = this.#faults.add();
    return isRepeated || this.#of(batch).some(({ isSuspect }) => isSuspect);
  }

  #isolate(batch: readonly LogChunk[], error: unknown): void {
    const streams = this.#of(batch);
    for (const stream of streams) stream.suspect(batch);
    if (batch.length > 1) return;
    this.#options.onError(error, batch[0]?.header.attemptId);
    const until = performance.now() + (this.#options.setAsideMs ?? SET_ASIDE_MS);
    for (const stream of streams) {
      if (this.#options.isRefusal(error)) stream.refuse(error);
      else stream.setAside(until);
    }
    this.#notify();
  }

  #of(batch: readonly LogChunk[]): Stream[] {
    const ids = new Set(batch.map(({ header }) => header.attemptId));
    return [...this.#streams].filter(({ attemptId }) => ids.has(attemptId));
  }

  #notify(): void {
    for (const stream of this.#streams) stream.notify();
  }

  /** Takes turns between attempts, so that a loud one does not hold up the others. */
  #nextBatch(): LogChunk[] {
    const now = performance.now();
    const streams = [...this.#streams].filter(
      ({ chunks, notBefore }) => chunks.length > 0 && notBefore <= now,
    );
    this.#turn += 1;
    const start = this.#turn % Math.max(1, streams.length);
    const inTurn = [...streams.slice(start), ...streams.slice(0, start)];
    if (inTurn[0]?.isSuspect) return inTurn[0].chunks.slice(0, 1);
    const others = inTurn.filter(({ isSuspect }) => !isSuspect);
    const share = Math.max(1, Math.floor(REQUEST_CHUNKS / others.length));
    return fill(others.map(({ chunks }) => chunks.slice(0, share)));
  }
}

/** The beginnings of several lists, until a request is full; at least one chunk. */
function fill(lists: readonly (readonly LogChunk[])[]): LogChunk[] {
  const batch: LogChunk[] = [];
  let bytes = 0;
  for (const list of lists) {
    for (const chunk of list) {
      if (batch.length > 0 && (bytes + chunk.body.length > REQUEST_BYTES || batch.length >= REQUEST_CHUNKS)) {
        return batch;
      }
      batch.push(chunk);
      bytes += chunk.body.length;
    }
  }
  return batch;
}
