import { encodeChunks, type LogAcks, type LogChunk } from '@cronium/contracts';
import { comesWithin, pause, pauseBefore, waitFor } from '@cronium/lifecycle';

export interface ShipperOptions {
  /** Sends frames and returns the acknowledgements. Throws when results is away or refuses. */
  send(frames: Buffer, signal: AbortSignal): Promise<LogAcks>;
  /** Is this failure a refusal of the content itself, so that the same bytes will never be taken? */
  isRefusal(error: unknown): boolean;
  /** So many compressed bytes more are stored. */
  onAcknowledged?(bytes: number): void;
  onError(error: unknown): void;
  /** Compressed bytes on their way: of one attempt, and of all. Writers wait above it. */
  readonly attemptBytes?: number;
  readonly nodeBytes?: number;
}

const REQUEST_BYTES = 2 * 1024 * 1024;
const REQUEST_CHUNKS = 500;
/**
 * The end of a log waits this long for those of other attempts that are under way: nobody reads on there, and each request
 * is a transaction.
 */
const GATHER_ENDS_MS = 20;

/** The way of one attempt's chunks to results. */
export interface LogStream {
  readonly hasRoom: boolean;
  push(chunk: LogChunk): void;
  /** Waits until more may be pushed. */
  room(signal: AbortSignal): Promise<void>;
  /** Waits until everything that was pushed is acknowledged. @throws when results refuses a chunk for good */
  drained(signal: AbortSignal): Promise<void>;
  /** Forgets the stream and what is left of it. Idempotent. */
  close(): void;
}

class Stream implements LogStream {
  readonly attemptId: string;
  readonly chunks: LogChunk[] = [];
  bytes = 0;
  refusal: unknown;
  readonly #shipper: Shipper;
  readonly #changed = new Set<() => void>();

  constructor(attemptId: string, shipper: Shipper) {
    this.attemptId = attemptId;
    this.#shipper = shipper;
  }

  get hasRoom(): boolean {
    return this.refusal !== undefined || this.#shipper.hasRoom(this.bytes);
  }

  push(chunk: LogChunk): void {
    if (this.refusal !== undefined) return;
    this.chunks.push(chunk);
    this.bytes += chunk.body.length;
    this.#shipper.added(chunk.body.length);
  }

  /** Everything below this number is stored. @returns did that change anything? */
  acknowledge(nextChunk: number): boolean {
    const before = this.chunks.length;
    const bytes = this.bytes;
    while (this.chunks[0] && this.chunks[0].header.chunk < nextChunk) this.#drop();
    this.#shipper.acknowledged(bytes - this.bytes);
    return this.chunks.length < before;
  }

  refuse(error: unknown): void {
    this.refusal = error;
    this.clear();
  }

  clear(): void {
    while (this.chunks.length > 0) this.#drop();
  }

  #drop(): void {
    const length = this.chunks.shift()?.body.length ?? 0;
    this.bytes -= length;
    this.#shipper.removed(length);
  }

  notify(): void {
    for (const resolve of this.#changed) resolve();
    this.#changed.clear();
  }

  async room(signal: AbortSignal): Promise<void> {
    await this.#until(() => this.hasRoom, signal);
  }

  async drained(signal: AbortSignal): Promise<void> {
    await this.#until(() => this.chunks.length === 0, signal);
    if (this.refusal !== undefined) throw this.refusal;
  }

  close(): void {
    this.clear();
    this.#shipper.closed(this);
  }

  async #until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    while (!condition()) {
      const change = Promise.withResolvers<void>();
      this.#changed.add(change.resolve);
      try {
        await waitFor(change.promise, signal);
      } finally {
        this.#changed.delete(change.resolve);
      }
    }
    signal.throwIfAborted();
  }
}

/**
 * Sends the chunks of all attempts of this node, many in a request, one request at a time: so each attempt's chunks
 * arrive in order. Results being away is no failure; it tries again for ever, and writers wait.
 */
export class Shipper {
  readonly #options: ShipperOptions;
  readonly #streams = new Set<Stream>();
  #bytes = 0;
  #wake = Promise.withResolvers<void>();
  /** After a refusal: one chunk a request, to find the one that is refused. */
  #single = false;
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

  open(attemptId: string): LogStream {
    const stream = new Stream(attemptId, this);
    this.#streams.add(stream);
    return stream;
  }

  /** @internal */
  hasRoom(streamBytes: number): boolean {
    const { attemptBytes = 4 * 1024 * 1024, nodeBytes = 64 * 1024 * 1024 } = this.#options;
    return streamBytes < attemptBytes && this.#bytes < nodeBytes;
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
    if ([...this.#streams].some(({ chunks }) => chunks.length > 0)) return;
    await waitFor(this.#wake.promise, signal);
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
      if (!this.#options.isRefusal(error)) throw error;
      this.#isolate(batch, error);
      return true;
    }
    this.#single = false;
    const streams = new Map([...this.#streams].map((stream) => [stream.attemptId, stream]));
    const advanced = acks.acks.filter(({ attemptId, nextChunk }) => {
      const stream = streams.get(attemptId);
      // A stream that was closed in the meantime needs no more of it.
      return stream === undefined || stream.acknowledge(nextChunk);
    });
    this.#notify();
    return advanced.length > 0;
  }

  #isolate(batch: readonly LogChunk[], error: unknown): void {
    const first = batch[0];
    if (batch.length > 1 || !first) {
      this.#single = true;
      return;
    }
    this.#options.onError(error);
    for (const stream of this.#streams) if (stream.attemptId === first.header.attemptId) stream.refuse(error);
    this.#notify();
  }

  #notify(): void {
    for (const stream of this.#streams) stream.notify();
  }

  /** Takes turns between attempts, so that a loud one does not hold up the others. */
  #nextBatch(): LogChunk[] {
    const streams = [...this.#streams].filter(({ chunks }) => chunks.length > 0);
    if (streams.length === 0) return [];
    this.#turn += 1;
    const start = this.#turn % streams.length;
    const inTurn = [...streams.slice(start), ...streams.slice(0, start)];
    if (this.#single) return inTurn[0]?.chunks.slice(0, 1) ?? [];
    const share = Math.max(1, Math.floor(REQUEST_CHUNKS / streams.length));
    return fill(inTurn.map(({ chunks }) => chunks.slice(0, share)));
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
