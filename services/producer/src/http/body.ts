import { Readable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import { deadline, waitFor } from '@cronium/lifecycle';
import { UploadCutOffError } from '../errors.ts';
import { problems } from '../problems.ts';
import type { Budget } from './budget.ts';
import { GrowingBytes } from './growing-bytes.ts';

/** 32 MiB: what one zstd decoder may take; the tool's levels up to 19 need 8 MiB. */
const ZSTD_WINDOW_LOG = 25;

/** A request as far as its body is concerned; both `Request` and Hono's own fit. */
export interface BodySource {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly headers: Headers;
  /** Aborts when the client goes away, also after it sent all of the body. */
  readonly signal: AbortSignal;
}

/** How {@link openBody} reads. */
export interface BodyOptions {
  /** The client must send something within this time. */
  readonly idleMs: number;
  /** What a compressed body may expand to. */
  readonly inflatedBytes: number;
  /** Aborts when the service stops; the body then ends with the signal's reason. */
  readonly signal: AbortSignal;
}

/**
 * The body's bytes as they come, decompressed.
 *
 * Iterating throws UploadCutOffError when the client goes away, HttpProblem when it is too slow, when the compressed
 * data is broken, or expands to more than it may.
 * @throws HttpProblem 415 for an encoding that isn't known
 */
export function openBody(source: BodySource, options: BodyOptions): AsyncIterable<Uint8Array> {
  const encoding = (source.headers.get('content-encoding') ?? 'identity').trim().toLowerCase();
  const bytes = received(source.body, options);
  const wanted = (chunks: AsyncIterable<Uint8Array>) => whileWanted(chunks, source.signal, options.signal);
  if (encoding === 'identity' || encoding === '') return wanted(bytes);
  return wanted(
    inflated(bytes, { decoder: decoderFor(encoding), encoding, maxBytes: options.inflatedBytes }),
  );
}

function decoderFor(encoding: string): Transform {
  if (encoding === 'gzip' || encoding === 'x-gzip') return createGunzip();
  if (encoding === 'zstd')
    return createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  throw problems.mediaType(
    `Content-Encoding ${JSON.stringify(encoding)} is not known here; use gzip, zstd or none.`,
  );
}

/** Ends the work on a body that nobody waits for any more: a few received bytes can expand to hours of it. */
async function* whileWanted(
  chunks: AsyncIterable<Uint8Array>,
  client: AbortSignal,
  stopping: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    if (client.aborted) throw cutOff(client.reason);
    stopping.throwIfAborted();
    yield chunk;
  }
}

async function* received(
  body: ReadableStream<Uint8Array> | null,
  options: BodyOptions,
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = body.getReader();
  let ended = false;
  try {
    while (!ended) {
      const chunk = await nextChunk(reader, options);
      if (chunk.done) ended = true;
      else yield chunk.value;
    }
  } finally {
    // A reader that stops early tells the stream; what the client still sends is not wanted.
    if (!ended) reader.cancel().catch(() => undefined);
  }
}

async function nextChunk(reader: ReadableStreamDefaultReader<Uint8Array>, { idleMs, signal }: BodyOptions) {
  using limit = deadline(idleMs, 'the body did not go on', signal);
  try {
    return await waitFor(reader.read(), limit);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (limit.aborted)
      throw problems.timeout(
        `Nothing came for ${Math.round(idleMs / 1000)} seconds; send the body without pauses.`,
      );
    throw cutOff(error);
  }
}

function cutOff(cause: unknown): UploadCutOffError {
  return new UploadCutOffError('the client went away in the middle of the body', { cause });
}

async function* inflated(
  bytes: AsyncIterable<Uint8Array>,
  { decoder, encoding, maxBytes }: { decoder: Transform; encoding: string; maxBytes: number },
): AsyncGenerator<Uint8Array> {
  const abort = new AbortController();
  const feeding = pipeline(Readable.from(bytes, { objectMode: false }), decoder, { signal: abort.signal });
  // The reader below meets every failure itself.
  feeding.catch(() => undefined);
  let total = 0;
  try {
    for await (const chunk of decoder) {
      total += chunk.length;
      if (total > maxBytes)
        throw problems.tooLarge(`The ${encoding} body expands to more than ${maxBytes} bytes.`);
      yield chunk;
    }
  } catch (error) {
    throw isZlibError(error)
      ? problems.badBody(`The body is not valid ${encoding}: ${error.message}.`)
      : error;
  } finally {
    abort.abort();
  }
}

function isZlibError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    'code' in error &&
    'errno' in error &&
    /^(Z_|ERR_ZSTD|ZSTD_)/.test(String(error.code))
  );
}

/**
 * Reads a body to its end into memory.
 * @param options.budget shared by all bodies that are read at the same time; give back `held` when done
 * @throws HttpProblem 413 when it is longer than `maxBytes`, 408 when it takes longer than `withinMs`, 429 when the budget is spent
 */
export async function readWhole(
  bytes: AsyncIterable<Uint8Array>,
  options: { maxBytes: number; withinMs: number; budget: Budget },
): Promise<{ body: Buffer; held: Disposable }> {
  const { maxBytes, withinMs, budget } = options;
  const held = budget.hold();
  const endsAt = performance.now() + withinMs;
  const whole = new GrowingBytes();
  try {
    for await (const chunk of bytes) {
      if (whole.length + chunk.length > maxBytes)
        throw problems.tooLarge(`The body may have ${maxBytes} bytes at most.`);
      if (performance.now() > endsAt)
        throw problems.timeout(`The body must be complete after ${Math.round(withinMs / 1000)} seconds.`);
      held.take(chunk.length);
      whole.append(chunk);
    }
    return { body: whole.take(), held };
  } catch (error) {
    held[Symbol.dispose]();
    throw error;
  }
}

/** Refuses a body by its declared length, before any of it is read. */
export function refuseDeclaredLength(headers: Headers, maxBytes: number): void {
  const declared = Number(headers.get('content-length') ?? 0);
  if (declared > maxBytes)
    throw problems.tooLarge(`The body has ${declared} bytes; it may have ${maxBytes} at most.`);
}
