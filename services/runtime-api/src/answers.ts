import type { ServerResponse } from 'node:http';
import { pipeline, type Readable } from 'node:stream';

/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream is passed on as it comes; when it fails, so does the answer's connection. */
  readonly body?: string | Uint8Array | Readable;
}

/** A JSON answer. */
export function json(value: unknown, status = 200): Answer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
}

/** Writes an answer; resolves when it was handed over or the client has gone. */
export function send(response: ServerResponse, { status, headers = {}, body = '' }: Answer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (typeof body === 'string' || body instanceof Uint8Array) {
    response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
    response.end(body, () => resolve());
    response.once('close', resolve);
  } else {
    response.writeHead(status, headers);
    pipeline(body, response, () => resolve());
  }
  return promise;
}
