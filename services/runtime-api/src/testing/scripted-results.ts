import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

/** A request that came to the results service. */
export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** `drop` breaks the connection after the request was read, `hang` never answers. */
export type ScriptedAnswer =
  | { readonly status: number; readonly json?: unknown; readonly headers?: Record<string, string> }
  | 'drop'
  | 'hang';

/** Stands for results behind the sidecar: it records what comes, and answers by a script. */
export class ScriptedResults {
  readonly received: Received[] = [];
  /** Answers of the next requests, in their order; the ones after those are `answer`'s. */
  readonly next: ScriptedAnswer[] = [];
  /** Answers of the next questions whether it is ready; as long as there are any, others that come get the first of them too. */
  readonly nextReady: ScriptedAnswer[] = [];
  /** How long each answer is held back. */
  delayMs = 0;
  answer: (request: Received) => ScriptedAnswer = () => ({ status: 200, json: { success: true } });
  readonly #server: Server;
  #port = 0;

  constructor() {
    this.#server = createServer(async (message, response) => {
      const { method = '', url = '', headers } = message;
      const body = await buffer(message).catch(() => undefined);
      if (body === undefined) return;
      const request = { method, url, headers, body };
      const answer = this.#answerTo(request);
      if (this.delayMs > 0) await pause(this.delayMs);
      if (answer === 'hang') return;
      if (answer === 'drop') return void message.socket.destroy();
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end('json' in answer ? JSON.stringify(answer.json) : undefined);
    });
  }

  #answerTo(request: Received): ScriptedAnswer {
    if (request.url === '/health') return { status: 200 };
    if (request.url === '/ready') return this.nextReady.shift() ?? { status: 200 };
    this.received.push(request);
    return this.next.shift() ?? this.nextReady[0] ?? this.answer(request);
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens; after {@link stop} on the same port again. */
  async start(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Calls `seen` for each new connection. */
  onConnection(seen: (socket: Socket) => void): void {
    this.#server.on('connection', seen);
  }
}
