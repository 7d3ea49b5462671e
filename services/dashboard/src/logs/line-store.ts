import type { LogLine } from '@cronium/contracts';

/** Reads lines behind `after`, at most `limit`. */
export type ReadLines = (range: {
  after: number;
  limit: number;
  signal: AbortSignal;
}) => Promise<readonly LogLine[]>;

/** So many lines are read and forgotten together. */
const BLOCK = 500;
/** The newest read blocks are kept. */
const KEPT_BLOCKS = 40;
const AGAIN_MS = 1000;

/**
 * Lines of one log by their numbers: what is shown is read when it is wanted, the rest is not held. A line never changes,
 * so whatever the order of answers, each line is there once and is the right one.
 */
export class LineStore {
  readonly #read: ReadLines;
  readonly #changed: () => void;
  readonly #blocks = new Map<number, LogLine[]>();
  #reading: { readonly from: number; readonly to: number; readonly abort: AbortController } | undefined;
  #again: ReturnType<typeof setTimeout> | undefined;
  #wanted: { readonly first: number; readonly last: number } | undefined;
  #closed = false;
  /** Why the last reading failed. */
  problem: unknown;

  constructor(read: ReadLines, changed: () => void) {
    this.#read = read;
    this.#changed = changed;
  }

  get(line: number): LogLine | undefined {
    return this.#blocks.get(blockOf(line))?.[(line - 1) % BLOCK];
  }

  /** Reads what is missing of these lines. A reading that is no longer wanted is given up. */
  want(first: number, last: number): void {
    if (last < first || this.#closed) return;
    this.#wanted = { first, last };
    const reading = this.#reading;
    if (reading !== undefined) {
      if (reading.to >= first && reading.from <= last) return;
      reading.abort.abort();
      this.#reading = undefined;
    }
    this.#readNext();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#reading?.abort.abort();
  }

  #readNext(): void {
    const { first, last } = this.#wanted ?? { first: 1, last: 0 };
    for (let line = first; line <= last; line++) {
      if (this.get(line) === undefined) return void this.#readFrom(line, last);
    }
  }

  async #readFrom(line: number, last: number): Promise<void> {
    const limit = Math.min(2 * BLOCK, last - line + 1);
    const reading = { from: line, to: line + limit - 1, abort: new AbortController() };
    this.#reading = reading;
    try {
      const lines = await this.#read({ after: line - 1, limit, signal: reading.abort.signal });
      this.problem = undefined;
      this.#keep(lines);
      if (this.#reading !== reading) return;
      this.#reading = undefined;
      this.#changed();
      // None came: they are announced and not there yet, or the log was dropped; it is looked again later.
      if (lines.length > 0) this.#readNext();
      else this.#readLater();
    } catch (error) {
      if (this.#reading !== reading) return;
      this.#reading = undefined;
      this.problem = error;
      this.#changed();
      this.#readLater();
    }
  }

  #readLater(): void {
    clearTimeout(this.#again);
    if (this.#closed) return;
    this.#again = setTimeout(() => {
      if (this.#reading === undefined) this.#readNext();
    }, AGAIN_MS);
  }

  #keep(lines: readonly LogLine[]): void {
    for (const line of lines) {
      const name = blockOf(line.seq);
      const block = this.#blocks.get(name) ?? [];
      block[(line.seq - 1) % BLOCK] = line;
      this.#blocks.delete(name);
      this.#blocks.set(name, block);
    }
    for (const name of this.#blocks.keys()) {
      if (this.#blocks.size <= KEPT_BLOCKS) return;
      this.#blocks.delete(name);
    }
  }
}

function blockOf(line: number): number {
  return Math.floor((line - 1) / BLOCK);
}
