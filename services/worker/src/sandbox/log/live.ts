import type { Duplex } from 'node:stream';
import { waitFor } from '@cronium/lifecycle';
import { FrameDecoder, type StreamName } from './frames.ts';
import type { RawChunk } from './stored.ts';

/** What a slow reader may leave in memory; the rest is read from Docker's log later. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

/**
 * The output of a container as it comes over an attached connection. The connection is always read, because a container
 * whose output nobody takes stands still; what the reader does not fetch in time is dropped from memory and counted.
 */
export class LiveOutput {
  readonly #socket: Duplex;
  readonly #decoder = new FrameDecoder();
  readonly #maxHeld: number;
  #queue: RawChunk[] = [];
  #held = 0;
  #state: 'open' | 'ended' | 'broken' = 'open';
  #overflowed = false;
  #changed = Promise.withResolvers<void>();
  readonly #total = { stdout: 0, stderr: 0 };

  constructor(socket: Duplex, maxHeld: number = MAX_HELD_BYTES) {
    this.#socket = socket;
    this.#maxHeld = maxHeld;
    socket.on('data', (data: Buffer) => this.#take(data));
    socket.on('end', () => this.#finish('ended'));
    socket.on('close', () => this.#finish('broken'));
    socket.on('error', () => this.#finish('broken'));
  }

  /** Is the container still there to be sent something? */
  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Did the daemon end the stream, and was all of it given to the reader? */
  get isComplete(): boolean {
    return this.#state === 'ended' && !this.#overflowed;
  }

  /** How many bytes of each stream came in, also those that were dropped; `undefined` unless the stream ended well. */
  get total(): Readonly<Record<StreamName, number>> | undefined {
    return this.#state === 'ended' ? this.#total : undefined;
  }

  /** Sends bytes to the container, of which {@link send} sends the rest; that one also fails when these did not arrive. */
  sendAhead(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends bytes to the container and then the end of its stdin. */
  async send(bytes: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.once('error', reject);
    this.#socket.once('close', () => reject(new Error('the connection was closed')));
    this.#socket.end(bytes, () => resolve());
    await promise;
  }

  /** What came in, in order, until the stream ends or something had to be dropped. */
  async *read(signal: AbortSignal): AsyncGenerator<RawChunk> {
    for (;;) {
      const chunks = this.#queue;
      this.#queue = [];
      this.#held = 0;
      yield* chunks;
      if (this.#queue.length > 0) continue;
      if (this.#overflowed || this.#state !== 'open') return;
      this.#changed = Promise.withResolvers<void>();
      await waitFor(this.#changed.promise, signal);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    const at = Date.now();
    for (const { stream, bytes } of this.#decoder.push(data)) {
      this.#total[stream] += bytes.length;
      if (this.#held + bytes.length > this.#maxHeld) this.#overflowed = true;
      // After the first one dropped nothing may follow: there would be a hole.
      if (this.#overflowed) continue;
      this.#queue.push({ stream, bytes, at });
      this.#held += bytes.length;
    }
    this.#changed.resolve();
  }

  #finish(state: 'ended' | 'broken'): void {
    if (this.#state === 'open') this.#state = state;
    this.#changed.resolve();
  }
}
