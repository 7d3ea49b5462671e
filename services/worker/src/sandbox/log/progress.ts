import { createHash, type Hash } from 'node:crypto';
import type { StreamName } from './frames.ts';

/** So much of each stream's end is kept, to be compared with the end of the stored log. */
const TAIL_BYTES = 128 * 1024;

/** How far one stream was given out, phase markers included, and the hash of all of it. */
export class Progress {
  #count = 0;
  readonly #hash: Hash = createHash('sha256');
  #tail: Uint8Array[] = [];
  #tailBytes = 0;

  get count(): number {
    return this.#count;
  }

  add(bytes: Uint8Array): void {
    this.#count += bytes.length;
    this.#hash.update(bytes);
    this.#tail.push(bytes);
    this.#tailBytes += bytes.length;
    // Joined now and then, so that adding stays cheap and no more than twice the tail is held.
    if (this.#tailBytes > 2 * TAIL_BYTES) this.#cutTail();
  }

  /** Are these the last bytes, as far as both are known? */
  endsWith(bytes: Buffer): boolean {
    this.#cutTail();
    const [tail = Buffer.alloc(0)] = this.#tail;
    const length = Math.min(tail.length, bytes.length);
    return bytes.subarray(bytes.length - length).equals(tail.subarray(tail.length - length));
  }

  #cutTail(): void {
    const all = Buffer.concat(this.#tail);
    this.#tail = [Buffer.from(all.subarray(Math.max(0, all.length - TAIL_BYTES)))];
    this.#tailBytes = this.#tail[0]?.length ?? 0;
  }

  /** Of all bytes so far. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

export type Given = Readonly<Record<StreamName, Progress>>;

/** Reads a stream a second time: compares what was given out already, and lets through what was not. */
export class Comparison {
  readonly #known: number;
  readonly #digest: string;
  readonly #seen = new Progress();
  #position = 0;
  #differs = false;

  constructor(given: Progress) {
    this.#known = given.count;
    this.#digest = given.digest();
  }

  /** How many bytes of the stream were read. */
  get position(): number {
    return this.#position;
  }

  /** Is what was read now something else than what was given out? */
  get differs(): boolean {
    return this.#differs;
  }

  /** The part of the bytes that was not given out before. */
  pass(bytes: Buffer): Buffer {
    const known = Math.max(0, Math.min(bytes.length, this.#known - this.#position));
    this.#position += bytes.length;
    if (known > 0) {
      this.#seen.add(bytes.subarray(0, known));
      if (this.#seen.count === this.#known) this.#differs = this.#seen.digest() !== this.#digest;
    }
    return bytes.subarray(known);
  }
}
