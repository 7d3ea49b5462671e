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

/** Values as NDJSON, one a line. They come as pages, which are kept in memory one at a time. */
export function ndjsonStream(c: Context, pages: AsyncIterable<readonly unknown[]>): Response {
  return bytesResponse(c, toLines(pages), 'application/x-ndjson');
}

async function* toLines(pages: AsyncIterable<readonly unknown[]>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = '';
  for await (const page of pages) {
    for (const value of page) {
      text += `${JSON.stringify(value)}\n`;
      if (text.length < PIECE_CHARS) continue;
      yield encoder.encode(text);
      text = '';
    }
  }
  if (text !== '') yield encoder.encode(text);
}
