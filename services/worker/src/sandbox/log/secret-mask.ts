const MASK = '*'.charCodeAt(0);
const EMPTY = Buffer.alloc(0);

/**
 * Replaces secret values in one stream of a job, wherever the chunks' borders are. Every byte of a value becomes `*`, so
 * that positions and line numbers stay what they are; where values overlap, all of their bytes do. What may be the
 * beginning of a value is held back until more has come.
 */
export class SecretMask {
  readonly #values: readonly Buffer[];
  #held: Buffer = EMPTY;
  /** So many bytes at the beginning of what is held belong to a value that began before them. */
  #covered = 0;

  constructor(values: readonly Buffer[]) {
    this.#values = values;
  }

  /** The bytes that can be shown now. */
  push(chunk: Buffer): Buffer {
    if (this.#values.length === 0 || chunk.length === 0) return chunk;
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const until = this.#firstOpen(data);
    return this.#show(data, until);
  }

  /** The stream has ended: what was held back is no value. */
  end(): Buffer {
    return this.#show(this.#held, this.#held.length);
  }

  /** Where a value may begin that the next chunk completes; the end when nowhere. */
  #firstOpen(data: Buffer): number {
    const starts = this.#values.map((value) => {
      for (let at = Math.max(0, data.length - value.length + 1); at < data.length; at++) {
        const first = data.indexOf(value[0] ?? 0, at);
        if (first < 0) break;
        at = first;
        if (data.subarray(at).equals(value.subarray(0, data.length - at))) return at;
      }
      return data.length;
    });
    return Math.min(...starts);
  }

  #show(data: Buffer, until: number): Buffer {
    const masked: [from: number, to: number][] = this.#covered > 0 ? [[-1, this.#covered]] : [];
    for (const value of this.#values) {
      // Occurrences of one value may overlap too.
      for (let at = data.indexOf(value); at >= 0; at = data.indexOf(value, at + 1))
        masked.push([at, at + value.length]);
    }
    this.#held = data.subarray(until);
    this.#covered = Math.max(0, ...masked.filter(([from]) => from < until).map(([, to]) => to - until));
    if (masked.length === 0) return data.subarray(0, until);
    const shown = Buffer.from(data.subarray(0, until));
    for (const [from, to] of masked)
      shown.fill(MASK, Math.min(Math.max(from, 0), until), Math.min(to, until));
    return shown;
  }
}
