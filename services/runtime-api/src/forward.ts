import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { type Destination, parseDestination } from './egress.ts';
import type { Opened } from './proxy.ts';

const ANSWER_TIMEOUT_MS = 300_000;
/** Headers that belong to one connection and are not passed on (RFC 9110 section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export interface ForwardRequest {
  /** With an absolute `http:` URL. */
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly ended: AbortSignal;
  open(destination: Destination | undefined): Promise<Opened>;
}

/**
 * Passes one plain HTTP request on, over a connection of its own. Resolves when it was answered.
 * @throws whatever `open` throws, or the connection's error
 */
export async function forward({ message, response, open, ended }: ForwardRequest): Promise<void> {
  const url = absoluteUrl(message.url);
  const { socket } = await open(url && parseDestination(url.host, 80));
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const outgoing = request({
    createConnection: () => socket,
    method: message.method ?? 'GET',
    path: `${url?.pathname ?? '/'}${url?.search ?? ''}`,
    headers: { ...passedOn(message), host: url?.host ?? '' },
    signal: ended,
    timeout: ANSWER_TIMEOUT_MS,
  });
  outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer in ${ANSWER_TIMEOUT_MS} ms`)));
  outgoing.once('error', reject);
  outgoing.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, passedOn(answer));
    pipeline(answer, response, () => resolve());
  });
  response.once('close', () => outgoing.destroy());
  message.pipe(outgoing);
  return promise;
}

function absoluteUrl(text: string | undefined): URL | undefined {
  const url = text?.startsWith('http://') && URL.canParse(text) ? new URL(text) : undefined;
  return url?.username === '' && url.password === '' ? url : undefined;
}

/** A message's headers without those of its connection, which the `connection` header may add to. */
function passedOn({ headers }: IncomingMessage): Record<string, string | string[]> {
  const named = (headers.connection ?? '').toLowerCase().split(/\s*,\s*/);
  const passed = Object.entries(headers).filter(
    (entry): entry is [string, string | string[]] =>
      entry[1] !== undefined && !HOP_BY_HOP.has(entry[0]) && !named.includes(entry[0]),
  );
  return Object.fromEntries(passed);
}
