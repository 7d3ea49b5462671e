import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import type { Readable } from 'node:stream';
import type { Answer } from './answers.ts';
import type { Patience } from './patience.ts';
import { RefusedError, tooLarge, unavailable } from './problems.ts';

const CONNECT_TIMEOUT_MS = 2000;
const HEALTH_TIMEOUT_MS = 2000;
/** Results itself waits 3 s for what it needs, and then says what is missing. */
const READY_TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 64;
/** The headers that mean something to the job; the connection's own stay behind. */
const KEPT = ['content-type', 'content-length', 'retry-after', 'etag', 'www-authenticate'];

/** What is passed on to results. */
export interface RelayRequest {
  readonly method: string;
  /** Below `/runtime/v1`. */
  readonly path: string;
  /** The job's own token. */
  readonly token: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly body?: Uint8Array | Upload;
  /** Sent again when the connection broke after it was sent; not so where twice is not the same as once. */
  readonly repeatable: boolean;
  /** From the connection to the answer's head, for each try. */
  readonly timeoutMs: number;
  /** From the job's request to the answer's head, all tries together: less than what the helpers wait. */
  readonly withinMs: number;
}

/** A body that is passed through without being held. */
export interface Upload {
  readonly stream: Readable;
  readonly maxBytes: number;
}

/** Passes requests on to results. Safe to call concurrently. */
export interface Relay {
  /**
   * Waits, as long as the request has patience, while results is away. An upload whose body was taken in vain can be sent
   * again by the job alone: it hears of the failure when results is ready again, or as late as of any other call's.
   * @returns the answer of results as it came
   * @throws RefusedError 503 when results can't be reached, 413 when an upload is too long
   */
  send(request: RelayRequest, context: { patience: Patience; signal: AbortSignal }): Promise<Answer>;
  reachable(): Promise<boolean>;
  close(): void;
}

/** Thrown when no answer came; `sent` says whether results may have got the request. */
class NoAnswerError extends Error {
  override readonly name = 'NoAnswerError';
  readonly code = 'NO_ANSWER';
  readonly sent: boolean;

  constructor(message: string, { sent, cause }: { sent: boolean; cause?: unknown }) {
    super(message, { cause });
    this.sent = sent;
  }
}

/** Thrown when results answered 503 itself: it did nothing, and says so. */
class NotNowError extends Error {
  override readonly name = 'NotNowError';
  readonly code = 'NOT_NOW';
}

export function resultsRelay(resultsUrl: string): Relay {
  const base = new URL(resultsUrl);
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_CONNECTIONS });
  const open: Open = (path, { method, headers = {}, signal, keeps = true }) => {
    const options = { method, headers, path: `${base.pathname.replace(/\/+$/, '')}${path}` };
    const signalled = signal === undefined ? options : { ...options, signal };
    return base.protocol === 'https:'
      ? process.getBuiltinModule('node:https').request(base, signalled)
      : requestHttp(base, { ...signalled, agent: keeps && agent });
  };
  const isFine = (path: string, timeoutMs: number) => {
    const request = open(path, { method: 'GET' });
    const answer = answered(request, timeoutMs);
    request.end();
    return answer.then(
      (message) => message.resume().statusCode === 200,
      () => false,
    );
  };
  const ready = async () => {
    const isReady = await isFine('/ready', READY_TIMEOUT_MS);
    if (!isReady) throw new NoAnswerError('results is not ready', { sent: false });
  };
  return {
    async send(request, { patience, signal }) {
      const isPassing = (error: unknown) =>
        error instanceof NotNowError ||
        (error instanceof NoAnswerError && (request.repeatable || !error.sent));
      const attempt = async () => {
        const timeoutMs = Math.min(request.timeoutMs, patience.leftOf(request.withinMs));
        const answer = await ask(open, { ...request, timeoutMs }, signal);
        if (answer.statusCode !== 503 || !isHeld(request.body)) return answer;
        answer.resume();
        throw new NotNowError('results is not available');
      };
      // A connection alone may be one to a balancer: what cannot be sent again is not sent before results can serve it.
      if (!request.repeatable) await patience.outlast(ready, isPassing).catch(refusal);
      const answer = patience.outlast(attempt, isPassing);
      if (!isHeld(request.body)) {
        await untilWorthAnother(answer, ready, () => patience.anew(patience.leftOf(request.withinMs)));
      }
      return answerOf(await answer.catch(refusal));
    },
    reachable: () => isFine('/health', HEALTH_TIMEOUT_MS),
    close: () => agent.destroy(),
  };
}

/** Waits after an upload whose body was taken in vain, until the job may send it again with hope. */
async function untilWorthAnother(
  answer: Promise<IncomingMessage>,
  ready: () => Promise<void>,
  patience: () => Patience,
): Promise<void> {
  try {
    const { statusCode } = await answer;
    // What results lacks although it was ready, its readiness does not show.
    if (statusCode === 503) await patience().spend();
  } catch (error) {
    if (!isUnsure(error)) return;
    const isNotReady = (failure: unknown) => failure instanceof NoAnswerError;
    await patience()
      .outlast(ready, isNotReady)
      .catch(() => undefined);
  }
}

const isUnsure = (error: unknown): boolean => error instanceof NoAnswerError && error.sent;

const isHeld = (body: RelayRequest['body']): boolean => body === undefined || body instanceof Uint8Array;

function refusal(error: unknown): never {
  if (error instanceof RefusedError) throw error;
  if (error instanceof NotNowError) {
    throw unavailable('The results service is not available at the moment. Try again.', error);
  }
  const detail = isUnsure(error)
    ? 'The results service did not answer; whether it did what was asked is not known. Try again.'
    : 'The results service cannot be reached. Nothing was written; try again.';
  throw unavailable(detail, error);
}

type Open = (
  path: string,
  options: { method: string; headers?: Record<string, string>; signal?: AbortSignal; keeps?: boolean },
) => ClientRequest;

/** One try. @throws NoAnswerError, or RefusedError 413 */
async function ask(open: Open, request: RelayRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, path, token, headers = {}, body, repeatable, timeoutMs } = request;
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const outgoing = open(`/runtime/v1${path}`, {
    method,
    headers: { ...Object.fromEntries(given), authorization: `Bearer ${token}` },
    signal,
    // On a kept connection one can't tell whether results closed it before or after it had read the request.
    keeps: repeatable,
  });
  const answer = answered(outgoing, timeoutMs);
  if (body === undefined || body instanceof Uint8Array) {
    outgoing.end(body);
    return answer;
  }
  // Until there is a connection nothing of the stream is taken, so that another try can have it whole.
  await Promise.race([connected(outgoing), answer]);
  let failure: unknown;
  const failed = (error: unknown) => {
    failure = error;
    outgoing.destroy();
  };
  upload(body, outgoing, answer).catch(failed);
  return answer.catch((error: unknown) => {
    throw failure ?? error;
  });
}

/** Passes a stream on until it ends or an answer came. @throws RefusedError 413, or the stream's own error */
async function upload(
  { stream, maxBytes }: Upload,
  to: ClientRequest,
  answer: Promise<unknown>,
): Promise<void> {
  let isOver = false;
  const stop = () => {
    isOver = true;
  };
  const over = answer.then(stop, stop);
  let bytes = 0;
  for await (const chunk of stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(`The body is longer than ${maxBytes} bytes.`);
    if (isOver) return;
    if (!to.write(chunk)) await Promise.race([once(to, 'drain').catch(() => undefined), over]);
  }
  to.end();
}

function answered(request: ClientRequest, timeoutMs: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  let sent = false;
  void connected(request).then(() => {
    sent = true;
  });
  const late = (what: string) => () => request.destroy(new Error(what));
  const connecting = setTimeout(() => sent || late('no connection in time')(), CONNECT_TIMEOUT_MS);
  const waiting = setTimeout(late('no answer in time'), timeoutMs);
  const stop = () => {
    clearTimeout(connecting);
    clearTimeout(waiting);
  };
  request.once('response', (answer) => {
    stop();
    resolve(answer);
  });
  request.once('error', (cause) => {
    stop();
    reject(new NoAnswerError(cause.message, { sent, cause }));
  });
  return promise;
}

function connected(request: ClientRequest): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  request.once('socket', (socket) => {
    if (!socket.connecting) resolve();
    else socket.once('connect', resolve);
  });
  return promise;
}

function answerOf(answer: IncomingMessage): Answer {
  const kept = KEPT.flatMap((name) => {
    const value = answer.headers[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  return { status: answer.statusCode ?? 502, headers: Object.fromEntries(kept), body: answer };
}
