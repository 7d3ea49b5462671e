import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';

/** A request with all of its body. */
export interface Exchange {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | undefined;
}

export interface ExchangeAnswer {
  readonly status: number;
  readonly text: string;
}

/** Connections stay open between requests, and keep no process alive. */
const AGENTS = { http: new HttpAgent({ keepAlive: true }), https: new HttpsAgent({ keepAlive: true }) };

/**
 * Sends a request and reads the whole answer: with a third of the work that `fetch` makes of it, and a busy node sends a hundred
 * of these a second. One that met a connection which the other side had just closed is sent again, so it must be idempotent.
 * @throws Error of the connection; one whose `cause` is the signal's reason when that aborts, and the connection with it
 */
export async function exchange(request: Exchange, signal: AbortSignal): Promise<ExchangeAnswer> {
  for (;;) {
    const sent = send(request, signal);
    try {
      return await sent.answer;
    } catch (error) {
      if (!sent.wasReused() || !isReset(error) || signal.aborted) throw error;
    }
  }
}

function send({ method, url, headers, body = '' }: Exchange, signal: AbortSignal) {
  const { promise, resolve, reject } = Promise.withResolvers<ExchangeAnswer>();
  const length = { 'content-length': String(Buffer.byteLength(body)) };
  const isTls = url.startsWith('https:');
  const request = (isTls ? requestHttps : requestHttp)(url, {
    ...{ method, signal, agent: isTls ? AGENTS.https : AGENTS.http },
    headers: { ...headers, ...(method === 'POST' ? length : {}) },
  });
  let hasAnswered = false;
  request.on('error', reject);
  request.on('response', (response) => {
    hasAnswered = true;
    textOf(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject);
  });
  request.end(body);
  return { answer: promise, wasReused: () => request.reusedSocket && !hasAnswered };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part);
  return Buffer.concat(parts).toString();
}

function isReset(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
}
