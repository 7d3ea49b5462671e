import type { LogRecord } from '@cronium/contracts';
import { pause } from '@cronium/lifecycle';
import { type DockerClient, isDaemonAway, statusOf } from '../docker.ts';
import type { LogItem, LogOffsets } from '../runtime.ts';
import type { StreamName } from './frames.ts';
import { LogFramer } from './framing.ts';
import { INIT_REPORT_PREFIX } from './init-report.ts';
import type { LiveOutput } from './live.ts';
import { markerPrefix } from './markers.ts';
import { Comparison, type Given, Progress } from './progress.ts';
import { type RawChunk, readStored } from './stored.ts';

const STREAMS = ['stdout', 'stderr'] as const;
const RETRY_MS = 500;
/**
 * Docker reads its stored log at some 100,000 lines a second. Of a longer output than this only the ends are compared:
 * an attached stream is in order, what it can lack is its end.
 */
const WHOLE_COMPARISON_BYTES = 1024 * 1024;
const TAIL_ENTRIES = 200;
const NEWLINE_BYTES = Buffer.from('\n');

export interface OutputSource {
  readonly client: DockerClient;
  readonly containerId: string;
  readonly nonce: string;
  /** Values that must not show. */
  readonly masked: readonly Buffer[];
  /** The attached connection of a fresh sandbox; none for an adopted one. */
  readonly live: LiveOutput | undefined;
  /** Does the engine leave out the newline of a long line's last piece? */
  readonly losesNewlines: boolean;
  /** `undefined` when the container is gone. */
  isRunning(signal: AbortSignal): Promise<boolean | undefined>;
}

/**
 * A job's whole output, in order: live as it is written, then whatever Docker's stored log has beyond it. Before the end,
 * when the container has stopped, the stored log is read: what was given out agrees with it in length and hash, and what
 * is missing is added. Where that cannot be, a notice says so. A daemon that is away is waited for.
 */
export async function* jobOutput(
  source: OutputSource,
  from: LogOffsets,
  signal: AbortSignal,
): AsyncGenerator<LogItem> {
  const reader = new OutputReader(source, from, signal);
  yield* reader.live();
  while (!(yield* reader.stored()));
  yield* reader.end();
}

class OutputReader {
  readonly #source: OutputSource;
  readonly #signal: AbortSignal;
  readonly #framer: LogFramer;
  readonly #given: Given = { stdout: new Progress(), stderr: new Progress() };
  /** Bytes that are known to be lost, by stream: a notice has stated them. */
  readonly #lost = { stdout: 0, stderr: 0 };

  constructor(source: OutputSource, from: LogOffsets, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
    this.#framer = new LogFramer(source, from);
  }

  async *live(): AsyncGenerator<LogItem> {
    if (!this.#source.live) return;
    for await (const chunk of this.#source.live.read(this.#signal)) yield* this.#give(chunk);
  }

  /** Reads the stored log once; true when nothing can follow. */
  async *stored(): AsyncGenerator<LogItem, boolean> {
    try {
      const running = await this.#source.isRunning(this.#signal);
      if (running === undefined) return true;
      if (!running && (await this.#endsAgree())) return true;
      const isRotated = yield* this.#compare(running);
      if (!running && isRotated) yield* this.#rotated();
      if (!running) return true;
      // Its follow has ended: mostly because the container has.
      await pause(isRotated ? RETRY_MS : 20, this.#signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      // Removed by someone, or being removed: there is no more than we have.
      if (statusOf(error) === 404 || statusOf(error) === 409) return true;
      if (!mayPass(error)) throw error;
      await pause(RETRY_MS, this.#signal);
    }
    return false;
  }

  *end(): Generator<LogItem> {
    yield* this.#framer.end(Date.now());
    const total = this.#source.live?.total;
    for (const stream of total === undefined ? [] : STREAMS) {
      const missing = (total?.[stream] ?? 0) - this.#given[stream].count - this.#lost[stream];
      if (missing > 0) yield gap(stream, missing);
    }
  }

  #give({ stream, bytes, at }: RawChunk): LogItem[] {
    this.#given[stream].add(bytes);
    return this.#framer.push(stream, bytes, at);
  }

  /** Gives out what the stored log has beyond what was given; true when its beginning is gone. */
  async *#compare(follow: boolean): AsyncGenerator<LogItem, boolean> {
    const comparisons = {
      stdout: new Comparison(this.#given.stdout),
      stderr: new Comparison(this.#given.stderr),
    };
    const chunks = this.#read(follow);
    let isFirst = true;
    for (;;) {
      const next = await chunks.next();
      if (next.done) {
        if (!follow) yield* this.#lastNewlines(next.value.unsure, comparisons);
        break;
      }
      const { stream, bytes, at } = next.value;
      if (isFirst && !this.#isBeginning(bytes)) {
        await chunks.return({ unsure: [] });
        return true;
      }
      isFirst = false;
      const fresh = comparisons[stream].pass(bytes);
      if (fresh.length > 0) yield* this.#give({ stream, bytes: fresh, at });
    }
    for (const stream of STREAMS) if (comparisons[stream].differs) yield notice(stream, DIFFERS);
    return false;
  }

  /** A long output that came live to its end: does the stored log end with the same bytes? */
  async #endsAgree(): Promise<boolean> {
    const { stdout, stderr } = this.#given;
    if (!this.#source.live?.isComplete || stdout.count + stderr.count < WHOLE_COMPARISON_BYTES) return false;
    const ends: Record<StreamName, Buffer[]> = { stdout: [], stderr: [] };
    for await (const { stream, bytes } of this.#read(false, TAIL_ENTRIES)) ends[stream].push(bytes);
    return STREAMS.every((stream) => this.#given[stream].endsWith(Buffer.concat(ends[stream])));
  }

  /** Both streams of every job begin with a marker of the entry program; without a program the init's report is all. */
  #isBeginning(bytes: Buffer): boolean {
    return [markerPrefix(this.#source.nonce), INIT_REPORT_PREFIX].some((prefix) =>
      bytes.subarray(0, prefix.length).equals(prefix),
    );
  }

  *#lastNewlines(
    streams: readonly StreamName[],
    comparisons: Readonly<Record<StreamName, Comparison>>,
  ): Generator<LogItem> {
    for (const stream of streams) {
      const { position } = comparisons[stream];
      const total = this.#source.live?.total?.[stream];
      const isLost = total === undefined ? this.#source.losesNewlines : total === position + 1;
      if (isLost && this.#given[stream].count === position) {
        yield* this.#give({ stream, bytes: NEWLINE_BYTES, at: Date.now() });
      }
    }
  }

  /**
   * The container has stopped and its log's beginning is gone. When we know how much was written, the sizes say where
   * the rest begins; after a crash of the worker we don't.
   */
  async *#rotated(): AsyncGenerator<LogItem> {
    if (this.#source.live?.isComplete) return;
    const total = this.#source.live?.total;
    const kept = { stdout: 0, stderr: 0 };
    for await (const { stream, bytes } of this.#read(false)) kept[stream] += bytes.length;
    const skip = { stdout: 0, stderr: 0 };
    for (const stream of STREAMS) {
      if (total === undefined) {
        this.#framer.skipNothing(stream);
        if (kept[stream] > 0) yield notice(stream, UNKNOWN_GAP);
        continue;
      }
      const begins = total[stream] - kept[stream];
      const missing = begins - this.#given[stream].count;
      skip[stream] = Math.max(0, -missing);
      if (missing > 0) {
        this.#lost[stream] += missing;
        yield* this.#framer.breakLine(stream);
        yield gap(stream, missing);
      }
    }
    for await (const { stream, bytes, at } of this.#read(false)) {
      const known = Math.min(skip[stream], bytes.length);
      skip[stream] -= known;
      if (known < bytes.length) yield* this.#give({ stream, bytes: bytes.subarray(known), at });
    }
  }

  #read(follow: boolean, tail?: number) {
    const { client, containerId } = this.#source;
    return readStored(client, containerId, {
      follow,
      signal: this.#signal,
      ...(tail === undefined ? {} : { tail }),
    });
  }
}

const DIFFERS = "what Docker's log has of this stream is not what was read live; what was read live is shown";
const UNKNOWN_GAP =
  "Docker's log was rotated while no worker read it: bytes before this are missing, how many is not known; some may be repeated";

function noticeRecord(stream: StreamName, text: string): LogRecord {
  return { stream, time: Date.now(), bytes: Buffer.from(`[cronium] ${text}`), newline: true, notice: true };
}

function notice(stream: StreamName, text: string): LogItem {
  return { type: 'record', record: noticeRecord(stream, text) };
}

function gap(stream: StreamName, bytes: number): LogItem {
  const text = `${bytes} bytes of ${stream} are missing here: Docker's log was rotated before they could be read`;
  return { type: 'record', record: noticeRecord(stream, text), missingBytes: bytes };
}

function mayPass(error: unknown): boolean {
  return isDaemonAway(error) || (error instanceof Error && 'code' in error && error.code === 'ECONNRESET');
}
