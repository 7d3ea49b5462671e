import { Agent, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';

/** A request to the daemon, as it goes over the wire. */
export interface DaemonRequest {
  readonly method: string;
  readonly path: string;
  /** Values that are objects travel as JSON, as the daemon wants its filters. */
  readonly query: Readonly<Record<string, unknown>>;
  /** Sent as JSON. */
  readonly body?: object | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the request, also while its answer is being read. */
  readonly signal: AbortSignal;
}

/** Thrown when the daemon answers with a status that was not asked for. */
export class DaemonAnswerError extends Error {
  override readonly name = 'DaemonAnswerError';
  readonly code = 'DAEMON_ANSWER';
  readonly statusCode: number;

  /** @param words the daemon's own */
  constructor(statusCode: number, words: string) {
    super(words);
    this.statusCode = statusCode;
  }
}

interface Answers {
  /** The daemon's answer has begun. */
  response(response: IncomingMessage): void;
  /** It has given the connection away. */
  upgrade?(socket: Duplex): void;
  error(error: Error): void;
}

/** HTTP to one daemon over kept connections. A request that could not be made or answered fails with Node's own error. */
export class DaemonConnection {
  readonly #agent: Agent;
  readonly #target: { readonly socketPath: string } | { readonly host: string; readonly port: string };

  constructor(url: URL, { keepAlive }: { readonly keepAlive: boolean }) {
    this.#agent = new Agent({ keepAlive, maxFreeSockets: 32 });
    this.#target =
      url.protocol === 'unix:'
        ? { socketPath: url.pathname }
        : { host: url.hostname, port: url.port || '2375' };
  }

  /** The answer's body, read from its JSON. @throws DaemonAnswerError for a status that is not in `accept` */
  async json(call: DaemonRequest, accept: readonly number[]): Promise<unknown> {
    const response = await this.open(call, accept);
    const text = await textOf(response);
    return text === '' ? undefined : parsed(text);
  }

  /** The answer once it has begun; its body is the caller's to read. @throws DaemonAnswerError */
  async open(call: DaemonRequest, accept: readonly number[]): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    this.#send(call, { response: resolve, error: reject });
    const response = await promise;
    if (!accept.includes(response.statusCode ?? 0)) throw await failureOf(response);
    return response;
  }

  /** Takes over the connection. @throws DaemonAnswerError when the daemon answers instead of giving it away */
  async hijack(call: DaemonRequest): Promise<Duplex> {
    const { promise, resolve, reject } = Promise.withResolvers<Duplex>();
    const upgrade = { ...call, headers: { ...call.headers, connection: 'Upgrade', upgrade: 'tcp' } };
    const response = (answer: IncomingMessage) => void failureOf(answer).then(reject, reject);
    this.#send(upgrade, { response, upgrade: resolve, error: reject });
    return promise;
  }

  close(): void {
    this.#agent.destroy();
  }

  #send({ method, path, query, body, headers, signal }: DaemonRequest, answers: Answers): void {
    const bytes = body === undefined ? undefined : JSON.stringify(body);
    const sent = request({
      ...this.#target,
      agent: this.#agent,
      method,
      path: `${path}?${queryText(query)}`,
      signal,
      headers: {
        ...headers,
        ...(bytes !== undefined && {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(bytes),
        }),
      },
    });
    sent.on('response', answers.response);
    sent.on('upgrade', (_, socket: Duplex, head: Buffer) => {
      if (head.length > 0) socket.unshift(head);
      answers.upgrade?.(socket);
    });
    sent.on('error', answers.error);
    sent.end(bytes);
  }
}

function queryText(query: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(query).map(([name, value]): [string, string] => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ]);
  return new URLSearchParams(entries).toString();
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The daemon says what is wrong in `message`; a proxy before it may say anything. */
async function failureOf(response: IncomingMessage): Promise<DaemonAnswerError> {
  const text = await textOf(response);
  const answer = parsed(text);
  const hasWords = typeof answer === 'object' && answer !== null && 'message' in answer;
  const words = hasWords ? String(answer.message) : text.trim() || (response.statusMessage ?? '');
  return new DaemonAnswerError(response.statusCode ?? 0, words);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not every answer is JSON: `OK` of a ping.
    return text;
  }
}
