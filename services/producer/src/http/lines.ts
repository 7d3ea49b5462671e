import { GrowingBytes } from './growing-bytes.ts';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** A line of a stream: its bytes without the line break, or only the news that it was too long. */
export type Line =
  | { readonly line: number; readonly bytes: Buffer; readonly tooLong?: never }
  | { readonly line: number; readonly tooLong: true; readonly bytes?: never };

/**
 * Cuts a stream of bytes into lines, and yields those that each chunk completes together. Lines are numbered from 1;
 * blank ones count and are left out. A line longer than `maxBytes` is never held in memory: it is passed over to its end.
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<Line[]> {
  const cutter = new Cutter(maxBytes);
  for await (const chunk of chunks) {
    const lines = cutter.feed(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    if (lines.length > 0) yield lines;
  }
  const last = cutter.end();
  if (last) yield [last];
}

class Cutter {
  readonly #maxBytes: number;
  /** The beginning of a line whose end has not come yet. */
  readonly #begun = new GrowingBytes();
  #tooLong = false;
  #line = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  feed(chunk: Buffer): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = this.#complete(chunk.subarray(start, end));
      if (line) lines.push(line);
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  /** The line that no line break ended. */
  end(): Line | undefined {
    return this.#complete(Buffer.alloc(0));
  }

  #complete(rest: Buffer): Line | undefined {
    if (this.#begun.length === 0 && !this.#tooLong) return this.#lineOf(rest);
    this.#keep(rest);
    if (!this.#tooLong) return this.#lineOf(this.#begun.take());
    this.#tooLong = false;
    this.#line += 1;
    return { line: this.#line, tooLong: true };
  }

  #keep(piece: Buffer): void {
    // One byte more may be the carriage return.
    if (this.#begun.length + piece.length > this.#maxBytes + 1) this.#tooLong = true;
    if (this.#tooLong) this.#begun.clear();
    else this.#begun.append(piece);
  }

  #lineOf(whole: Buffer): Line | undefined {
    this.#line += 1;
    const bytes = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
    if (bytes.length > this.#maxBytes) return { line: this.#line, tooLong: true };
    return isBlank(bytes) ? undefined : { line: this.#line, bytes };
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN);
}
