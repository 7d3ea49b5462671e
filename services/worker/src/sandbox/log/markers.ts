import type { PhaseMarker } from '../runtime.ts';

const RECORD_SEPARATOR = 0x1e;
const NEWLINE = 0x0a;
/** The longest text that can follow the nonce: `tenantPreTask unrunnable 2147483647`. */
const MAX_TEXT_BYTES = 40;
const TEXT =
  /^(boot|tenantPreTask|setup|preTask|main|turn) (start|exit|unrunnable|signal|oom|clean) (\d{1,10})$/;
const EMPTY = Buffer.alloc(0);

/**
 * A phase marker as the entry program prints it; `boot` is the first thing on each stream. Those of `turn` are a batch
 * supervisor's own (see images/runtime-api/entry/batch.c).
 */
export interface RawMarker {
  readonly phase: PhaseMarker['phase'] | 'boot' | 'turn';
  readonly event: 'start' | 'exit' | 'unrunnable' | 'signal' | 'oom' | 'clean';
  readonly code: number;
}

export type CutPiece =
  | { readonly type: 'bytes'; readonly bytes: Buffer }
  | { readonly type: 'marker'; readonly marker: RawMarker };

/** What begins each marker of an attempt: a record separator, the attempt's nonce, a space. */
export function markerPrefix(nonce: string): Buffer {
  return Buffer.from(`${String.fromCharCode(RECORD_SEPARATOR)}${nonce} `, 'latin1');
}

/**
 * Takes the phase markers out of one stream of a job, wherever the chunks' borders are. What is left is what the job
 * itself wrote, byte for byte.
 */
export class MarkerCutter {
  readonly #prefix: Buffer;
  #held: Buffer = EMPTY;

  constructor(nonce: string) {
    this.#prefix = markerPrefix(nonce);
  }

  push(chunk: Buffer): CutPiece[] {
    const data = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = EMPTY;
    const pieces: CutPiece[] = [];
    let from = 0;
    let search = 0;
    for (;;) {
      const at = data.indexOf(this.#prefix, search);
      if (at < 0) return this.#rest(pieces, data, from, this.#openTail(data, search));
      const marker = this.#read(data, at);
      if (marker === 'incomplete') return this.#rest(pieces, data, from, at);
      search = marker === undefined ? at + 1 : marker.end;
      if (marker === undefined) continue;
      if (at > from) pieces.push({ type: 'bytes', bytes: data.subarray(from, at) });
      pieces.push({ type: 'marker', marker: marker.value });
      from = marker.end;
    }
  }

  /** The stream has ended: what was held back as the possible beginning of a marker is the job's. */
  end(): CutPiece[] {
    const bytes = this.#held;
    this.#held = EMPTY;
    return bytes.length === 0 ? [] : [{ type: 'bytes', bytes }];
  }

  #rest(pieces: CutPiece[], data: Buffer, from: number, hold: number): CutPiece[] {
    if (hold > from) pieces.push({ type: 'bytes', bytes: data.subarray(from, hold) });
    this.#held = data.subarray(hold);
    return pieces;
  }

  /** Where a marker's prefix may begin that the next chunk completes; the end when nowhere. */
  #openTail(data: Buffer, search: number): number {
    const at = data.lastIndexOf(RECORD_SEPARATOR);
    if (at < Math.max(search, data.length - this.#prefix.length + 1)) return data.length;
    return data.subarray(at).equals(this.#prefix.subarray(0, data.length - at)) ? at : data.length;
  }

  #read(data: Buffer, at: number): { value: RawMarker; end: number } | 'incomplete' | undefined {
    const start = at + this.#prefix.length;
    const newline = data.subarray(start, start + MAX_TEXT_BYTES).indexOf(NEWLINE);
    if (newline < 0) return data.length - start < MAX_TEXT_BYTES ? 'incomplete' : undefined;
    const match = TEXT.exec(data.toString('latin1', start, start + newline));
    if (!match) return undefined;
    const [, phase, event, code] = match;
    const value = {
      phase: phase as RawMarker['phase'],
      event: event as RawMarker['event'],
      code: Number(code),
    };
    return { value, end: start + newline + 1 };
  }
}
