import { waitFor } from '@cronium/lifecycle';
import type { StreamName } from '../log/frames.ts';
import { phaseMarker } from '../log/framing.ts';
import { type CutPiece, MarkerCutter, type RawMarker } from '../log/markers.ts';
import type { ExitReport, MainEnd, PhaseMarker } from '../runtime.ts';

/** What a slow reader may leave in memory; the rest is read from Docker's log later. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

/** How a turn ended, as its supervisor says. */
export interface TurnEnd {
  readonly exitCode: number;
  readonly how: MainEnd;
  /** Processes that the kernel killed for memory in this turn. */
  readonly oomKills: number;
  /** Unix ms. */
  readonly at: number;
}

/** A turn's end, told as that of a container. @param startedAt Unix ms; that of the end when nobody knows */
export function exitOf({ exitCode, oomKills, at }: TurnEnd, startedAt: number = at): ExitReport {
  const report = { type: 'exited', exitCode, oomKilled: oomKills > 0, error: '' } as const;
  return { ...report, startedAt: isoTime(startedAt), finishedAt: isoTime(at) };
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** A piece of a turn's own output, or one of its phase markers, in order. */
export type TurnPiece =
  | { readonly stream: StreamName; readonly bytes: Buffer; readonly at: number }
  | { readonly marker: PhaseMarker };

/**
 * One job's turn in a container that serves a batch. Takes in what the container writes, from the turn's first marker to
 * its last, and gives out what is the job's:
 *
 * ```text
 * waiting -> running (a stream's first marker) -> ended (the last marker on both streams) -> clean
 * ```
 *
 * Nothing between the marks is anybody else's: the supervisor prints them when no process is left that could write.
 */
export class Turn {
  readonly nonce: string;
  readonly #cutters: Readonly<Record<StreamName, MarkerCutter>>;
  readonly #hasBegun = { stdout: false, stderr: false };
  readonly #hasEnded = { stdout: false, stderr: false };
  readonly #maxHeld: number;
  readonly #ended = Promise.withResolvers<TurnEnd>();
  readonly #cleaned = Promise.withResolvers<void>();
  #queue: TurnPiece[] = [];
  #held = 0;
  #end: TurnEnd | undefined;
  #oomKills = 0;
  #pid: number | undefined;
  #isCut = false;
  #isForeign = false;
  #isClean = false;
  #changed = Promise.withResolvers<void>();

  constructor(nonce: string, maxHeld: number = MAX_HELD_BYTES) {
    this.nonce = nonce;
    this.#maxHeld = maxHeld;
    this.#cutters = { stdout: new MarkerCutter(nonce), stderr: new MarkerCutter(nonce) };
  }

  /** Resolves when nothing of the turn runs and all of its output came in; never rejects. */
  get ended(): Promise<TurnEnd> {
    return this.#ended.promise;
  }

  /** Resolves when nothing of the turn is left in the container; never rejects. */
  get cleaned(): Promise<void> {
    return this.#cleaned.promise;
  }

  get end(): TurnEnd | undefined {
    return this.#hasEnded.stdout && this.#hasEnded.stderr ? this.#end : undefined;
  }

  /** The process that the turn's others descend from, as its container numbers it; while the turn runs. */
  get pid(): number | undefined {
    return this.end === undefined ? this.#pid : undefined;
  }

  /** Did something write that is not of this turn? Then the container is not as it should be. */
  get isForeign(): boolean {
    return this.#isForeign;
  }

  /** The streams come apart: the last marker of one may come before the end of the other. */
  get isClean(): boolean {
    return this.#isClean && this.end !== undefined;
  }

  /** Did all of it come in, and was all of it given to the reader? */
  get isComplete(): boolean {
    return this.end !== undefined && !this.#isCut;
  }

  /** Takes what the container wrote next. */
  take(stream: StreamName, bytes: Buffer, at: number): void {
    for (const piece of this.#cutters[stream].push(bytes)) this.#takePiece(stream, piece, at);
    this.#wake();
  }

  /** No more comes in. What came is given out; see {@link isComplete}. */
  cut(): void {
    if (this.end === undefined) this.#isCut = true;
    this.#wake();
  }

  /** The container has stopped: what was held back as the possible beginning of a marker is the job's. */
  flush(at: number): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      for (const piece of this.#cutters[stream].end()) {
        if (this.end === undefined) this.#takePiece(stream, piece, at);
      }
    }
  }

  /** What came in, in order, until the turn ends, is cut, or something had to be dropped. */
  async *read(signal: AbortSignal): AsyncGenerator<TurnPiece> {
    for (;;) {
      yield* this.drain();
      if (this.#queue.length > 0) continue;
      if (this.#isCut || this.end !== undefined) return;
      this.#changed = Promise.withResolvers<void>();
      await waitFor(this.#changed.promise, signal);
    }
  }

  /** What came in and was not given out yet. */
  drain(): TurnPiece[] {
    const pieces = this.#queue;
    this.#queue = [];
    this.#held = 0;
    return pieces;
  }

  #takePiece(stream: StreamName, piece: CutPiece, at: number): void {
    if (piece.type === 'marker') {
      this.#takeMarker(stream, piece.marker, at);
    } else if (this.#hasBegun[stream] && !this.#hasEnded[stream]) {
      this.#keep({ stream, bytes: piece.bytes, at }, piece.bytes.length);
    } else {
      this.#isForeign = true;
    }
  }

  #keep(piece: TurnPiece, bytes: number): void {
    if (this.#held + bytes > this.#maxHeld) this.#isCut = true;
    // After the first one dropped nothing may follow: there would be a hole.
    if (this.#isCut) return;
    this.#queue.push(piece);
    this.#held += bytes;
  }

  #takeMarker(stream: StreamName, marker: RawMarker, at: number): void {
    this.#hasBegun[stream] = true;
    if (marker.event === 'start' && marker.code > 0) this.#pid = marker.code;
    const phase = phaseMarker(marker, at);
    if (phase !== undefined) this.#keep({ marker: phase }, 0);
    else if (marker.phase === 'turn') this.#takeEnd(stream, marker, at);
  }

  #takeEnd(stream: StreamName, { event, code }: RawMarker, at: number): void {
    if (event === 'oom') {
      this.#oomKills = code;
    } else if (event === 'clean') {
      this.#isClean = true;
    } else {
      this.#hasEnded[stream] = true;
      const how = event === 'signal' ? 'signalled' : 'exited';
      if (stream === 'stdout') this.#end = { exitCode: code, how, oomKills: this.#oomKills, at };
      if (this.end !== undefined) this.#ended.resolve(this.end);
    }
    if (this.isClean) this.#cleaned.resolve();
  }

  #wake(): void {
    this.#changed.resolve();
  }
}
