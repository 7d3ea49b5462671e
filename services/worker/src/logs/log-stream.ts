import type { LogChunk } from '@cronium/contracts';
import { waitFor } from '@cronium/lifecycle';

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

/** What a stream tells the one that sends for all of them. */
export interface StreamOwner {
  hasRoom(streamBytes: number): boolean;
  added(bytes: number): void;
  removed(bytes: number): void;
  acknowledged(bytes: number): void;
  closed(stream: Stream): void;
}

/** One attempt's chunks that are not stored yet, as the shipper has them. */
export class Stream implements LogStream {
  readonly attemptId: string;
  readonly chunks: LogChunk[] = [];
  bytes = 0;
  refusal: unknown;
  /** Monotonic: nothing of it is sent before. */
  notBefore = 0;
  isSetAside = false;
  /** Chunks below this number were in a request that went wrong. */
  #suspectUntil = 0;
  readonly #owner: StreamOwner;
  readonly #changed = new Set<() => void>();

  constructor(attemptId: string, owner: StreamOwner) {
    this.attemptId = attemptId;
    this.#owner = owner;
  }

  get hasRoom(): boolean {
    return this.refusal !== undefined || this.#owner.hasRoom(this.bytes);
  }

  /** Is its next chunk to be sent alone? */
  get isSuspect(): boolean {
    return (this.chunks[0]?.header.chunk ?? this.#suspectUntil) < this.#suspectUntil;
  }

  /** Those of them that are its own are to be sent alone, to find the one that is not taken. */
  suspect(chunks: readonly LogChunk[]): void {
    for (const { header } of chunks) {
      if (header.attemptId === this.attemptId)
        this.#suspectUntil = Math.max(this.#suspectUntil, header.chunk + 1);
    }
  }

  /** Nothing is sent until then: what follows waits for the chunk that is not taken. */
  setAside(until: number): void {
    this.isSetAside = true;
    this.notBefore = until;
  }

  push(chunk: LogChunk): void {
    if (this.refusal !== undefined) return;
    this.chunks.push(chunk);
    this.bytes += chunk.body.length;
    this.#owner.added(chunk.body.length);
  }

  /** Everything below this number is stored. @returns did that change anything? */
  acknowledge(nextChunk: number): boolean {
    const before = this.chunks.length;
    const bytes = this.bytes;
    while (this.chunks[0] && this.chunks[0].header.chunk < nextChunk) this.#drop();
    this.#owner.acknowledged(bytes - this.bytes);
    const hasAdvanced = this.chunks.length < before;
    if (hasAdvanced) this.isSetAside = false;
    return hasAdvanced;
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
    this.#owner.removed(length);
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
    this.#owner.closed(this);
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
