import { CHUNK_TARGET_BYTES, type LogPosition, type LogRecord } from '@cronium/contracts';
import { ChunkBuilder, jobBytes, type Packed } from './chunk-builder.ts';
import { LastLines } from './last-lines.ts';
import type { LogStream } from './log-stream.ts';
import type { Shipper } from './shipper.ts';
import { Tail } from './tail.ts';

/** A record after a silence waits so long for others, so that a reader sees it soon. */
const GATHER_MS = 20;
/** Chunks of a job that goes on writing are so far apart. */
const APART_MS = 75;

export interface AttemptLogOptions {
  readonly attemptId: string;
  readonly day: string;
  /** The cap: its first half keeps the head, its second half the tail. */
  readonly maxBytes: number;
  readonly shipper: Shipper;
  /** A folder of this attempt's own for a large tail. */
  readonly spoolFolder: string;
  /** Where results has the log up to; absent for a new one. */
  readonly from?: LogPosition;
}

/**
 * The log of one attempt on its way to results: capped, numbered, packed, acknowledged. Memory is bounded: `write` waits
 * when too much is on its way, and what is not read stays in Docker's own file.
 */
export class AttemptLog {
  readonly #stream: LogStream;
  readonly #options: AttemptLogOptions;
  readonly #head = new ChunkBuilder();
  readonly #lines = new LastLines();
  readonly #headMax: number;
  /** A former process had sent all of it: nothing more is taken. */
  readonly #isComplete: boolean;
  #headBytes: number;
  #tail: { readonly builder: ChunkBuilder; readonly kept: Tail } | undefined;
  #chunk: number;
  #seq: number;
  #stdout: number;
  #stderr: number;
  #flush: NodeJS.Timeout | undefined;
  /** When the last chunk was sent, monotonic. */
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(options: AttemptLogOptions) {
    const { from, maxBytes, shipper, attemptId } = options;
    this.#options = options;
    this.#headMax = Math.ceil(maxBytes / 2);
    this.#isComplete = from?.complete ?? false;
    this.#chunk = from?.nextChunk ?? 0;
    this.#seq = from?.nextSeq ?? 1;
    this.#stdout = from?.stdoutEnd ?? 0;
    this.#stderr = from?.stderrEnd ?? 0;
    this.#headBytes = this.#stdout + this.#stderr;
    this.#stream = shipper.open(attemptId);
  }

  /** The last lines, for a death record. */
  get lastLines(): readonly string[] {
    return this.#lines.read();
  }

  /** True while a writer is held back because results is slow or away. */
  get isHeldBack(): boolean {
    return !this.#stream.hasRoom;
  }

  /**
   * Takes a record; waits while too much is on its way.
   * @param missingBytes so many bytes of its stream were lost before it: a successor must not look for them again
   */
  async write(record: LogRecord, signal: AbortSignal, missingBytes = 0): Promise<void> {
    this.#lines.add(record);
    if (this.#isComplete) return;
    if (!this.#tail && this.#headBytes + jobBytes(record) > this.#headMax) this.#beginTail();
    if (this.#tail) {
      const packed = this.#tail.builder.add(record, missingBytes);
      if (packed) this.#tail.kept.push(packed);
      return;
    }
    this.#headBytes += jobBytes(record);
    const packed = this.#head.add(record, missingBytes);
    if (packed) this.#send(packed);
    else this.#flush ??= setTimeout(() => this.#flushHead(), this.#flushInMs());
    if (!this.#stream.hasRoom) await this.#stream.room(signal);
  }

  /**
   * Stores an empty chunk under the next number: what a former writer still had on its way under this one does not count
   * from then on. Whether it was stored, or the other's, is to be seen by the position afterwards.
   */
  async claim(signal: AbortSignal): Promise<void> {
    this.#send(this.#head.take());
    await this.#stream.drained(signal);
  }

  /**
   * Sends what is left and the mark of the end.
   * @returns when results has acknowledged all of it
   */
  async close(signal: AbortSignal): Promise<void> {
    clearTimeout(this.#flush);
    if (this.#isComplete) return this.abandon();
    if (this.#tail) await this.#sendTail(this.#tail, signal);
    this.#send(this.#head.take(), { last: true });
    await this.#stream.drained(signal);
    this.#stream.close();
    this.#tail?.kept.dispose();
  }

  /** Forgets what is not sent: the attempt is no longer ours. Idempotent. */
  abandon(): void {
    clearTimeout(this.#flush);
    this.#stream.close();
    this.#tail?.kept.dispose();
  }

  #beginTail(): void {
    this.#flushHead();
    const maxBytes = Math.max(1, this.#options.maxBytes - this.#headMax);
    // Small caps want small chunks: a chunk is kept or left out as a whole.
    const target = Math.min(4 * CHUNK_TARGET_BYTES, Math.ceil(maxBytes / 8));
    this.#tail = {
      builder: new ChunkBuilder(target),
      kept: new Tail({ maxBytes, folder: this.#options.spoolFolder }),
    };
  }

  async #sendTail(tail: { builder: ChunkBuilder; kept: Tail }, signal: AbortSignal): Promise<void> {
    if (!tail.builder.isEmpty) tail.kept.push(tail.builder.take());
    const { stdout, stderr } = tail.kept.omitted;
    if (stdout + stderr > 0) this.#sendOmission(stdout, stderr);
    for (const packed of tail.kept.drain()) {
      this.#send(packed);
      await this.#stream.room(signal);
    }
  }

  /** Says in the log itself how much is missing here. */
  #sendOmission(stdout: number, stderr: number): void {
    const omitted = stdout + stderr;
    const text = `${omitted} bytes were left out here: the output is larger than the node's limit of ${this.#options.maxBytes} bytes (CRONIUM_LOG_MAX_BYTES).`;
    const builder = new ChunkBuilder();
    builder.add({
      stream: 'stdout',
      time: Date.now(),
      bytes: Buffer.from(text),
      newline: true,
      notice: true,
    });
    this.#send({ ...builder.take(), stdout, stderr, omitted });
  }

  #flushInMs(): number {
    return Math.max(GATHER_MS, this.#sentAt + APART_MS - performance.now());
  }

  #flushHead(): void {
    clearTimeout(this.#flush);
    this.#flush = undefined;
    if (!this.#head.isEmpty) this.#send(this.#head.take());
  }

  #send(packed: Packed, { last = false } = {}): void {
    clearTimeout(this.#flush);
    this.#flush = undefined;
    this.#sentAt = performance.now();
    const { attemptId, day } = this.#options;
    this.#stdout += packed.stdout;
    this.#stderr += packed.stderr;
    this.#stream.push({
      header: {
        attemptId,
        day,
        chunk: this.#chunk,
        firstSeq: this.#seq,
        records: packed.records,
        stdoutEnd: this.#stdout,
        stderrEnd: this.#stderr,
        omittedBytes: packed.omitted,
        rawBytes: packed.rawBytes,
        last,
        time: packed.time,
      },
      body: packed.body,
    });
    this.#chunk += 1;
    this.#seq += packed.records;
  }
}
