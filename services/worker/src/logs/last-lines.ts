import type { LogRecord } from '@cronium/contracts';

const LINES = 20;
const LINE_BYTES = 2000;

/** The last lines of an output, short enough for a death record. */
export class LastLines {
  readonly #lines: string[] = [];

  add(record: LogRecord): void {
    if (record.notice) return;
    const text = Buffer.from(record.bytes.subarray(0, LINE_BYTES)).toString('utf8');
    this.#lines.push(text);
    if (this.#lines.length > LINES) this.#lines.shift();
  }

  read(): readonly string[] {
    return [...this.#lines];
  }
}
