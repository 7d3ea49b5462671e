const SMALLEST = 4096;
/** A larger buffer is not kept for the next use. */
const KEPT = 2 ** 20;

/**
 * Bytes that are put together from pieces. They are copied, so that a thousand one-byte pieces do not hold on to a
 * thousand network buffers.
 */
export class GrowingBytes {
  #buffer = Buffer.alloc(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  append(piece: Uint8Array): void {
    const needed = this.#length + piece.length;
    if (needed > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(SMALLEST, needed, 2 * this.#buffer.length));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = needed;
  }

  /** What was put together; valid until the next `append`. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Gives out what was put together, and begins anew. */
  take(): Buffer {
    const bytes = this.view();
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    return bytes;
  }

  /** Forgets what was put together. */
  clear(): void {
    if (this.#buffer.length > KEPT) this.#buffer = Buffer.alloc(0);
    this.#length = 0;
  }
}
