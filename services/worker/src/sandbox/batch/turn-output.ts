import { pause } from '@cronium/lifecycle';
import { type DockerClient, isDaemonAway, statusOf } from '../docker.ts';
import type { StreamName } from '../log/frames.ts';
import { LogFramer } from '../log/framing.ts';
import { markerBeginning, markerPrefix } from '../log/markers.ts';
import { readStored } from '../log/stored.ts';
import type { LogItem, LogOffsets } from '../runtime.ts';
import { Turn, type TurnPiece } from './turn.ts';

const RETRY_MS = 200;

/** Where a turn's output is found. */
export interface TurnSource {
  readonly client: DockerClient;
  readonly containerId: string;
  readonly nonce: string;
  /** What the container's own first markers begin with: a log without them has lost its beginning. */
  readonly hello: string;
  /** Values that must not show. */
  readonly masked: readonly Buffer[];
  /** What comes over the attached connection; none after a crash of the worker. */
  readonly live: Turn | undefined;
  /** `undefined` when the container is gone. */
  isRunning(signal: AbortSignal): Promise<boolean | undefined>;
}

/**
 * The output of one turn, in order and whole: live as it is written, then whatever Docker's stored log has beyond it. The
 * last markers prove that nothing is missing. A daemon that is away is waited for.
 */
export async function* turnOutput(
  source: TurnSource,
  from: LogOffsets,
  signal: AbortSignal,
): AsyncGenerator<LogItem> {
  const framer = new LogFramer({ nonce: source.nonce, masked: source.masked, withoutInit: true }, from);
  const given = { stdout: 0, stderr: 0 };
  const give = (piece: TurnPiece): LogItem[] => {
    if ('marker' in piece) return [{ type: 'marker', marker: piece.marker }];
    given[piece.stream] += piece.bytes.length;
    return framer.push(piece.stream, piece.bytes, piece.at);
  };
  let last = source.live;
  if (last) for await (const piece of last.read(signal)) yield* give(piece);
  while (!last?.isComplete) {
    const stored = new StoredTurn(source, signal);
    const skip = { ...given };
    for await (const piece of stored.read()) {
      if ('notice' in piece) yield piece.notice;
      else yield* give(withoutFirst(piece, skip));
    }
    last = stored.turn;
    if (stored.isAll) break;
    await pause(RETRY_MS, signal);
  }
  yield* framer.end(Date.now());
  if (last?.end !== undefined) yield { type: 'main_end', how: last.end.how };
}

/** What of the piece was not given out before. */
function withoutFirst(piece: TurnPiece, skip: Record<StreamName, number>): TurnPiece {
  if ('marker' in piece) return piece;
  const known = Math.min(skip[piece.stream], piece.bytes.length);
  skip[piece.stream] -= known;
  return { ...piece, bytes: piece.bytes.subarray(known) };
}

type StoredPiece = TurnPiece | { readonly notice: LogItem };

/** Reads Docker's log of the container once, and finds the turn in it. */
export class StoredTurn {
  readonly turn: Turn;
  readonly #source: TurnSource;
  readonly #signal: AbortSignal;
  #isAll = false;

  constructor(source: TurnSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
    this.turn = new Turn(source.nonce, Number.POSITIVE_INFINITY);
  }

  /** Can nothing follow what was read? */
  get isAll(): boolean {
    return this.#isAll;
  }

  /** Follows the log until the turn ends, or the container does. */
  async *read(): AsyncGenerator<StoredPiece> {
    try {
      const running = await this.#source.isRunning(this.#signal);
      if (running !== undefined) yield* this.#follow(running);
      this.#isAll = running !== true || this.turn.end !== undefined;
    } catch (error) {
      this.#signal.throwIfAborted();
      // Removed by someone, or being removed: there is no more than we have.
      if (statusOf(error) === 404 || statusOf(error) === 409) this.#isAll = true;
      else if (!isDaemonAway(error) && !isReset(error)) throw error;
    }
  }

  async *#follow(running: boolean): AsyncGenerator<StoredPiece> {
    const { client, containerId } = this.#source;
    const over = new AbortController();
    const signal = AbortSignal.any([this.#signal, over.signal]);
    const chunks = readStored(client, containerId, { follow: running, signal });
    const finders = { stdout: new Finder(this.#source), stderr: new Finder(this.#source) };
    try {
      for await (const { stream, bytes, at } of chunks) {
        const found = finders[stream].push(bytes);
        if (found.isBeginningLost) yield { notice: beginningLost(stream) };
        // Bytes of the turn whose first marker is lost are its own from the log's beginning on.
        if (found.isBeginningLost) this.turn.take(stream, this.#boot(), at);
        if (found.bytes.length > 0) this.turn.take(stream, found.bytes, at);
        yield* this.turn.drain();
        if (this.turn.end !== undefined) return;
      }
      if (!running) this.turn.flush(Date.now());
      yield* this.turn.drain();
      this.turn.cut();
    } finally {
      over.abort(new Error('the turn was read'));
    }
  }

  #boot(): Buffer {
    return Buffer.concat([markerPrefix(this.#source.nonce), Buffer.from('boot start 0\n')]);
  }
}

/** Drops what stands before a turn's first marker on one stream. */
class Finder {
  readonly #mark: Buffer;
  readonly #hello: Buffer;
  #held: Buffer = Buffer.alloc(0);
  #state: 'start' | 'before' | 'in' = 'start';

  constructor({ nonce, hello }: TurnSource) {
    this.#mark = markerBeginning(nonce);
    this.#hello = markerPrefix(hello);
  }

  push(chunk: Buffer): { readonly bytes: Buffer; readonly isBeginningLost: boolean } {
    if (this.#state === 'in') return { bytes: chunk, isBeginningLost: false };
    const data = Buffer.concat([this.#held, chunk]);
    if (this.#state === 'start') {
      if (data.length < this.#hello.length) return this.#hold(data);
      const isWhole = data.subarray(0, this.#hello.length).equals(this.#hello);
      this.#state = isWhole ? 'before' : 'in';
      if (!isWhole) return { bytes: data, isBeginningLost: true };
    }
    const at = data.indexOf(this.#mark);
    if (at < 0) return this.#hold(data.subarray(Math.max(0, data.length - this.#mark.length)));
    this.#state = 'in';
    return { bytes: data.subarray(at), isBeginningLost: false };
  }

  #hold(data: Buffer) {
    this.#held = data;
    return { bytes: data.subarray(data.length), isBeginningLost: false };
  }
}

function beginningLost(stream: StreamName): LogItem {
  const text =
    "[cronium] Docker's log was rotated while no worker read it: bytes before this are missing, how many is not known; some may be repeated";
  const record = { stream, time: Date.now(), bytes: Buffer.from(text), newline: true, notice: true };
  return { type: 'record', record };
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
}
