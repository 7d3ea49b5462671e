/** Which lines are shown, in order: row 0 is the first. Lines are numbered from 1. */
export interface Rows {
  readonly length: number;
  /** The line of a row. */
  lineAt(row: number): number;
  /** The row of a line; of the next one behind it when it is not shown. */
  rowOf(line: number): number;
}

/** All lines of a log. */
export function allLines(lines: number): Rows {
  return { length: lines, lineAt: (row) => row + 1, rowOf: (line) => Math.min(Math.max(0, line - 1), lines) };
}

/** Lines that a search found, kept as runs of neighbours: a stream's million lines take little room. */
export class LineRuns implements Rows {
  /** First and last line of each run, and how many lines stand before it. */
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  readonly #before: number[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Adds runs behind those that are there. */
  append(runs: readonly (readonly [number, number])[]): void {
    for (const [first, last] of runs) {
      const end = this.#last.length - 1;
      if (this.#last[end] === first - 1) this.#last[end] = last;
      else {
        this.#first.push(first);
        this.#last.push(last);
        this.#before.push(this.#length);
      }
      this.#length += last - first + 1;
    }
  }

  lineAt(row: number): number {
    const run = lastAtMost(this.#before, row);
    return (this.#first[run] ?? 1) + row - (this.#before[run] ?? 0);
  }

  rowOf(line: number): number {
    const run = lastAtMost(this.#first, line);
    if (run < 0) return 0;
    const [first = 1, last = 0, before = 0] = [this.#first[run], this.#last[run], this.#before[run]];
    return line <= last ? before + line - first : before + last - first + 1;
  }

  has(line: number): boolean {
    const run = lastAtMost(this.#first, line);
    return run >= 0 && line <= (this.#last[run] ?? 0);
  }
}

/** The index of the last value that is at most the given one; -1 when none is. Values ascend. */
function lastAtMost(values: readonly number[], value: number): number {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((values[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
