import type { PhaseMarker } from '../runtime.ts';

const RECORD_SEPARATOR = 0x1e;
const NEWLINE = 0x0a;
/** The longest text that can follow the nonce: ` tenantPreTask unrunnable 2147483647`. */
const MAX_TEXT_BYTES = 40;
const TEXT =
  /^ (boot|tenantPreTask|setup|preTask|main|turn) (start|exit|unrunnable|signal|oom|clean) (\d{1,10})$/;
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

/** What begins a marker with the whole nonce of an attempt: a record separator, the attempt's nonce, a space. */
export function markerPrefix(nonce: string): Buffer {
  return Buffer.from(`${String.fromCharCode(RECORD_SEPARATOR)}${nonce} `, 'latin1');
}

/**
 * The first half of a nonce, which begins those markers that a job of a batch may come to see: it can read the pipe that it
 * writes to. The markers of its turn's end have the whole nonce, which is in no pipe while any of its processes lives.
 */
export function openNonce(nonce: string): string {
  return nonce.slice(0, nonce.length / 2);
}

/** What begins each marker of an attempt, also one with half of the nonce. */
export function markerBeginning(nonce: string): Buffer {
  return Buffer.from(`${String.fromCharCode(RECORD_SEPARATOR)}${openNonce(nonce)}`, 'latin1');
}

/**
 * Takes the phase markers out of one stream of a job, wherever the chunks' borders are. What is left is what the job
 * itself wrote, byte for byte.
 */
export class MarkerCutter {
  readonly #prefix: Buffer;
  /** The half of the nonce that a job cannot know. */
  readonly #secret: string;
  #held: Buffer = EMPTY;

  constructor(nonce: string) {
    this.#prefix = markerBeginning(nonce);
    this.#secret = nonce.slice(openNonce(nonce).length);
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
    const longest = MAX_TEXT_BYTES + this.#secret.length;
    const newline = data.subarray(start, start + longest).indexOf(NEWLINE);
    if (newline < 0) return data.length - start < longest ? 'incomplete' : undefined;
    const text = data.toString('latin1', start, start + newline);
    const isWhole = text.startsWith(this.#secret);
    const match = TEXT.exec(isWhole ? text.slice(this.#secret.length) : text);
    if (!match) return undefined;
    const [, phase, event, code] = match;
    if (phase === 'turn' && !isWhole) return undefined;
    const value = {
      phase: phase as RawMarker['phase'],
      event: event as RawMarker['event'],
      code: Number(code),
    };
    return { value, end: start + newline + 1 };
  }
}
