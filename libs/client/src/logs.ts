import type { JobState, LogLine } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import { CroniumApiError, CroniumConnectionError } from './errors.ts';
import { readChunks, readNdjson } from './ndjson.ts';
import { backoffMs, pause } from './pause.ts';

/** Which part of a job's log to read. */
export interface LogOptions {
  /** Default: the newest; with `follow`, that one and those that come after it. */
  readonly attempt?: number;
  readonly stream?: 'stdout' | 'stderr';
  /** Only lines after this sequence number. */
  readonly after?: number;
  /** Go on until the job has ended and its log is complete. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
  /** With `follow`: told once for each time that results cannot be reached; it is tried again all the same. */
  onAway?(error: CroniumConnectionError): void;
}

/** A log line and the attempt that wrote it. */
export interface AttemptLogLine extends LogLine {
  readonly attempt: number;
}

/** What following needs of the client. */
export interface LogSource {
  open(options: OpenLog): Promise<ReadableStream<Uint8Array>>;
  progress(signal?: AbortSignal): Promise<{ readonly attempts: number; readonly state: JobState }>;
}

/** One request for log lines. */
export interface OpenLog {
  readonly attempt: number;
  readonly after: number;
  readonly stream: 'stdout' | 'stderr' | undefined;
  readonly follow: boolean;
  readonly signal: AbortSignal | undefined;
}

const IDLE_MS = 60_000;
const FIRST_LOOK_MS = 100;
const SLOWEST_LOOK_MS = 1000;
/** In a row, each with the client's own tries in it: some minutes. */
const MAX_FAILURES = 60;

/** Reads the lines of one attempt, or follows a job over all its attempts. Each line comes once, in order. */
export async function* readLog(from: LogSource, options: LogOptions): AsyncGenerator<AttemptLogLine> {
  const source = options.onAway === undefined ? from : tellingOfAbsence(from, options.onAway);
  const after = options.after ?? 0;
  if (options.follow !== true) {
    const attempt = options.attempt ?? Math.max(1, (await source.progress(options.signal)).attempts);
    yield* readOnce(source, {
      attempt,
      after,
      stream: options.stream,
      follow: false,
      signal: options.signal,
    });
    return;
  }
  let attempt = options.attempt ?? (await nextAttempt(source, 0, options.signal));
  for (let first = after; attempt !== undefined; first = 0) {
    yield* followAttempt(source, {
      attempt,
      after: first,
      stream: options.stream,
      follow: true,
      signal: options.signal,
    });
    attempt = options.attempt === undefined ? await nextAttempt(source, attempt, options.signal) : undefined;
  }
}

/** The same source, which says when it can't be reached any more: once until it answers again. */
function tellingOfAbsence(source: LogSource, onAway: (error: CroniumConnectionError) => void): LogSource {
  let isAway = false;
  const watch = async <T>(call: Promise<T>): Promise<T> => {
    try {
      const answer = await call;
      isAway = false;
      return answer;
    } catch (error) {
      if (error instanceof CroniumConnectionError && !isAway) {
        isAway = true;
        onAway(error);
      }
      throw error;
    }
  };
  return {
    open: (options) => watch(source.open(options)),
    progress: (signal) => watch(source.progress(signal)),
  };
}

async function* readOnce(source: LogSource, open: OpenLog): AsyncGenerator<AttemptLogLine> {
  const stream = await source.open(open);
  const idleMs = open.follow ? IDLE_MS : undefined;
  for await (const line of readNdjson<LogLine>(readChunks(stream, { idleMs, signal: open.signal }))) {
    yield { ...line, attempt: open.attempt };
  }
}

/** Follows one attempt to its end. A broken or silent connection is opened again behind the last line that came. */
async function* followAttempt(source: LogSource, open: OpenLog): AsyncGenerator<AttemptLogLine> {
  let after = open.after;
  for (let failures = 0; ; ) {
    try {
      for await (const line of readOnce(source, { ...open, after })) {
        if (line.seq <= after) continue;
        after = line.seq;
        failures = 0;
        yield line;
      }
      if (await hasEnded(source, open)) return;
    } catch (error) {
      if (open.signal?.aborted || isFinal(error) || failures >= MAX_FAILURES) throw error;
    }
    failures += 1;
    await pause(backoffMs(failures + 1, { baseMs: 100, maxMs: SLOWEST_LOOK_MS }), open.signal);
  }
}

/** An answer such as 401 or 404 will not change; a broken connection, a restart or an overload will. */
function isFinal(error: unknown): boolean {
  return error instanceof CroniumApiError && error.status < 500 && error.status !== 429;
}

/** A service that stops ends its streams too: only the job's own state says that the log is complete. */
async function hasEnded(source: LogSource, { attempt, signal }: OpenLog): Promise<boolean> {
  const { attempts, state } = await source.progress(signal);
  return attempts > attempt || isTerminal(state) || state === 'queued';
}

/** Waits for an attempt after the given one; undefined when the job has ended without one. */
async function nextAttempt(
  source: LogSource,
  attempt: number,
  signal?: AbortSignal,
): Promise<number | undefined> {
  for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(SLOWEST_LOOK_MS, waitMs * 1.5)) {
    const { attempts, state } = await lookPatiently(source, signal);
    if (attempts > attempt) return attempt === 0 ? attempts : attempt + 1;
    if (isTerminal(state)) return undefined;
    await pause(waitMs, signal);
  }
}

/** The client has tried a few times itself when it gives up; a service may be away for minutes. */
async function lookPatiently(source: LogSource, signal?: AbortSignal) {
  for (let failures = 0; ; failures++) {
    try {
      return await source.progress(signal);
    } catch (error) {
      if (signal?.aborted || isFinal(error) || failures >= MAX_FAILURES) throw error;
      await pause(SLOWEST_LOOK_MS, signal);
    }
  }
}

const encoder = new TextEncoder();

/** The bytes that a line stands for, with its newline. */
export function logLineBytes(line: LogLine): Uint8Array {
  const text = line.base64 === undefined ? encoder.encode(line.text) : fromBase64(line.base64);
  if (line.partial === true) return text;
  const bytes = new Uint8Array(text.length + 1);
  bytes.set(text);
  bytes[text.length] = 10;
  return bytes;
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
