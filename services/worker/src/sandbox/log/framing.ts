import { type LogRecord, MAX_RECORD_BYTES } from '@cronium/contracts';
import type { LogItem, LogOffsets, PhaseMarker } from '../runtime.ts';
import type { StreamName } from './frames.ts';
import { InitReport } from './init-report.ts';
import { MarkerCutter, type RawMarker } from './markers.ts';
import { SecretMask } from './secret-mask.ts';

const NEWLINE = 0x0a;

/**
 * Cuts one stream into records: a line each, a very long line in pieces of `MAX_RECORD_BYTES`. The records depend on
 * the bytes alone, not on the chunks in which they came; only their times do.
 */
export class LineSplitter {
  readonly #stream: StreamName;
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #held = 0;
  #time = 0;

  constructor(stream: StreamName, maxBytes: number = MAX_RECORD_BYTES) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer, time: number): LogRecord[] {
    const records: LogRecord[] = [];
    let at = 0;
    while (at < chunk.length) {
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline;
      at = this.#hold(chunk, at, end, time, records);
      if (newline >= 0) {
        if (this.#held === 0) this.#time = time;
        records.push(this.#take(true));
        at = newline + 1;
      }
    }
    return records;
  }

  /** The stream has ended: what came after the last newline. */
  end(): LogRecord[] {
    return this.#held === 0 ? [] : [this.#take(false)];
  }

  /** Keeps `chunk[at, end)` of a line that goes on; full pieces become records. */
  #hold(chunk: Buffer, from: number, end: number, time: number, records: LogRecord[]): number {
    let at = from;
    while (at < end) {
      // Only when one more byte of the line is there: a line of exactly the limit is one record with its newline.
      if (this.#held === this.#maxBytes) records.push(this.#take(false));
      if (this.#held === 0) this.#time = time;
      const part = chunk.subarray(at, Math.min(end, at + this.#maxBytes - this.#held));
      this.#parts.push(part);
      this.#held += part.length;
      at += part.length;
    }
    return at;
  }

  #take(newline: boolean): LogRecord {
    const [only] = this.#parts;
    const bytes =
      this.#parts.length === 1 && only !== undefined ? only : Buffer.concat(this.#parts, this.#held);
    this.#parts = [];
    this.#held = 0;
    return { stream: this.#stream, time: this.#time, bytes, newline };
  }
}

/** What a marker says of the job's phases; `undefined` for one that the fleet's own programs print for themselves. */
export function phaseMarker({ phase, event, code }: RawMarker, at: number): PhaseMarker | undefined {
  if (phase === 'boot' || phase === 'turn') return undefined;
  switch (event) {
    case 'start':
      return { phase, event: 'started', at };
    case 'exit':
      return { phase, event: 'ended', exitCode: code, at };
    case 'unrunnable':
      return { phase, event: 'unrunnable', exitCode: code, at };
    default:
      return undefined;
  }
}

/** What is taken out of a job's output, or hidden in it. */
export interface Framing {
  readonly nonce: string;
  /** Values that must not show. */
  readonly masked: readonly Buffer[];
  /** Has the container no init of Docker's that reports at its end? */
  readonly withoutInit?: boolean;
}

class StreamFramer {
  readonly #cutter: MarkerCutter;
  readonly #mask: SecretMask;
  readonly #splitter: LineSplitter;
  /** The init writes to standard output. */
  readonly #init: InitReport | undefined;
  #skip: number;

  constructor(stream: StreamName, skip: number, { nonce, masked, withoutInit }: Framing) {
    this.#cutter = new MarkerCutter(nonce);
    this.#mask = new SecretMask(masked);
    this.#init = stream === 'stdout' && withoutInit !== true ? new InitReport() : undefined;
    this.#splitter = new LineSplitter(stream);
    this.#skip = skip;
  }

  push(bytes: Buffer, time: number): LogItem[] {
    return this.#items(this.#cutter.push(bytes), time);
  }

  end(time: number): LogItem[] {
    const items = this.#items(this.#cutter.end(), time);
    const last = this.#init?.end();
    if (last) items.push(...this.#lines(last.bytes, time));
    items.push(...this.#shown(this.#mask.end(), time), ...records(this.#splitter.end()));
    return last?.end === undefined ? items : [...items, { type: 'main_end', how: last.end }];
  }

  /** What came so far ends here, although its line may not: bytes are missing after it. */
  breakLine(time: number): LogItem[] {
    const rest = [...this.#release(time), ...this.#shown(this.#mask.end(), time)];
    return [...rest, ...records(this.#splitter.end())];
  }

  skipNothing(): void {
    this.#skip = 0;
  }

  #items(pieces: ReturnType<MarkerCutter['push']>, time: number): LogItem[] {
    return pieces.flatMap((piece): LogItem[] => {
      if (piece.type === 'bytes') return this.#lines(this.#init?.push(piece.bytes) ?? piece.bytes, time);
      const marker = phaseMarker(piece.marker, time);
      return [...this.#release(time), ...(marker === undefined ? [] : [{ type: 'marker' as const, marker }])];
    });
  }

  #release(time: number): LogItem[] {
    return this.#init === undefined ? [] : this.#lines(this.#init.flush(), time);
  }

  #lines(bytes: Buffer, time: number): LogItem[] {
    return this.#shown(this.#mask.push(bytes), time);
  }

  #shown(bytes: Buffer, time: number): LogItem[] {
    return records(this.#splitter.push(this.#unread(bytes), time));
  }

  /** Without what was acknowledged before. */
  #unread(bytes: Buffer): Buffer {
    const known = Math.min(this.#skip, bytes.length);
    this.#skip -= known;
    return bytes.subarray(known);
  }
}

function records(list: readonly LogRecord[]): LogItem[] {
  return list.map((record) => ({ type: 'record', record }));
}

/** Makes log items of a job's raw output: markers cut out, secrets masked, lines split, what was acknowledged left out. */
export class LogFramer {
  readonly #streams: Readonly<Record<StreamName, StreamFramer>>;

  constructor(framing: Framing, from: LogOffsets) {
    this.#streams = {
      stdout: new StreamFramer('stdout', from.stdout, framing),
      stderr: new StreamFramer('stderr', from.stderr, framing),
    };
  }

  push(stream: StreamName, bytes: Buffer, time: number): LogItem[] {
    return this.#streams[stream].push(bytes, time);
  }

  breakLine(stream: StreamName): LogItem[] {
    return this.#streams[stream].breakLine(Date.now());
  }

  /** Where the stream stands is not known any more: all that comes is given out. */
  skipNothing(stream: StreamName): void {
    this.#streams[stream].skipNothing();
  }

  end(time: number): LogItem[] {
    return [...this.#streams.stdout.end(time), ...this.#streams.stderr.end(time)];
  }
}
