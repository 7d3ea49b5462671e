import type { JobInput } from '@cronium/contracts';

/**
 * The jobs of a batch: values, one by one, or NDJSON bytes as they are (a file's read stream, a `Blob`). Iterables are
 * streamed and never held as a whole; that needs a runtime whose `fetch` streams request bodies (Node.js, Deno,
 * Chromium). Arrays and blobs work everywhere and may be sent again after a broken connection.
 */
export type BatchSource =
  | readonly JobInput[]
  | Blob
  | Iterable<JobInput>
  | AsyncIterable<JobInput | Uint8Array>;

/** A request body and whether it can be read twice. */
export interface BatchBody {
  readonly body: Blob | ReadableStream<Uint8Array>;
  readonly repeatable: boolean;
}

const encoder = new TextEncoder();

/** Makes the NDJSON body of a batch. */
export function batchBody(source: BatchSource): BatchBody {
  if (source instanceof Blob) return { body: source, repeatable: true };
  if (Array.isArray(source)) return { body: new Blob(source.map(toLine)), repeatable: true };
  return {
    body: streamOf(toBytes(source as AsyncIterable<JobInput | Uint8Array>)),
    repeatable: false,
  };
}

/** As `ReadableStream.from`, which some browsers lack. */
function streamOf(parts: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await parts.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await parts.return(undefined);
    },
  });
}

function toLine(job: JobInput): string {
  return `${JSON.stringify(job)}\n`;
}

const PIECE_BYTES = 64 * 1024;

/** Joins short lines, so that a million jobs are not a million writes. */
async function* toBytes(
  source: AsyncIterable<JobInput | Uint8Array> | Iterable<JobInput>,
): AsyncGenerator<Uint8Array> {
  let text = '';
  for await (const item of source) {
    if (!(item instanceof Uint8Array)) text += toLine(item);
    if (text !== '' && (item instanceof Uint8Array || text.length >= PIECE_BYTES)) {
      yield encoder.encode(text);
      text = '';
    }
    if (item instanceof Uint8Array) yield item;
  }
  if (text !== '') yield encoder.encode(text);
}

/** The parsed lines of an NDJSON stream; blank lines, which a server may send to keep a connection open, are skipped. */
export async function* readNdjson<T>(stream: AsyncIterable<Uint8Array>): AsyncGenerator<T> {
  for await (const line of readLines(stream)) if (line.trim() !== '') yield JSON.parse(line) as T;
}

/** The lines of UTF-8 bytes, also one without a newline at the end. */
export async function* readLines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let pieces: string[] = [];
  for await (const bytes of stream) {
    const parts = decoder.decode(bytes, { stream: true }).split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      yield pieces.length === 0 ? part : `${pieces.join('')}${part}`;
      pieces = [];
    }
    if (last !== '') pieces.push(last);
  }
  const rest = `${pieces.join('')}${decoder.decode()}`;
  if (rest !== '') yield rest;
}

/**
 * The chunks of a stream. Its connection is closed when the reader stops early, and the read fails when nothing comes
 * for `idleMs`: a connection whose other end is gone says nothing.
 */
export async function* readChunks(
  stream: ReadableStream<Uint8Array>,
  { idleMs, signal }: { idleMs?: number | undefined; signal?: AbortSignal | undefined } = {},
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await withIdleLimit(reader.read(), idleMs, signal);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function withIdleLimit<T>(reading: Promise<T>, idleMs?: number, signal?: AbortSignal): Promise<T> {
  signal?.throwIfAborted();
  const stopped = Promise.withResolvers<never>();
  const onAbort = () => stopped.reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer =
    idleMs === undefined
      ? undefined
      : setTimeout(() => stopped.reject(new Error(`nothing came for ${idleMs} ms`)), idleMs);
  try {
    return await Promise.race([reading, stopped.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}
