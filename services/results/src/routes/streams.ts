import type { Context } from 'hono';

const PIECE_CHARS = 64 * 1024;

/** A response that is made while it is read: a reader that stops reading stops the work behind it. */
export function bytesResponse(
  c: Context,
  parts: AsyncIterable<Uint8Array>,
  contentType: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return c.body(ReadableStream.from(parts), 200, {
    'Content-Type': contentType,
    'Cache-Control': 'no-store',
    'X-Accel-Buffering': 'no',
    ...headers,
  });
}

/** Values as NDJSON, one a line. */
export function ndjsonStream(c: Context, values: AsyncIterable<unknown>): Response {
  return bytesResponse(c, toLines(values), 'application/x-ndjson');
}

async function* toLines(values: AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = '';
  for await (const value of values) {
    text += `${JSON.stringify(value)}\n`;
    if (text.length < PIECE_CHARS) continue;
    yield encoder.encode(text);
    text = '';
  }
  if (text !== '') yield encoder.encode(text);
}
