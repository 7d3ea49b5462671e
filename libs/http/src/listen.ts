import type { Server } from 'node:http';
import { createAdaptorServer, type HttpBindings, type WebSocketServerLike } from '@hono/node-server';
import { unreadableRequest } from './unreadable.ts';

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 5000;
const IDLE_CHECK_MS = 100;

/** What answers requests; every Hono app does. */
export interface Fetcher {
  fetch(request: Request, env: HttpBindings): Response | Promise<Response>;
}

export interface ListenOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** A request, its body too, must have come whole after this time. Without it the app bounds its bodies itself. */
  readonly requestMs?: number;
  /** Takes the connections that become WebSockets. */
  readonly sockets?: WebSocketServerLike;
}

export interface DrainOptions {
  /** Requests may end by themselves for so long. */
  readonly patienceMs: number;
  /** Called then, when some still go on: tells them to end. */
  hurry?(): void;
  /** So much later the connections that are left are cut. Default 0. */
  readonly graceMs?: number;
}

/** A server that listens. */
export interface HttpServer {
  readonly port: number;
  /** Takes no more connections, and resolves when all have ended. */
  drain(options: DrainOptions): Promise<void>;
}

/** Listens; resolves when connections are taken. */
export async function listen(
  app: Fetcher,
  { host, port, requestMs = 0, sockets }: ListenOptions,
): Promise<HttpServer> {
  const server = createAdaptorServer({
    // An adapter without TLS and HTTP/2 gives these bindings.
    fetch: (request, env) => app.fetch(request, env as HttpBindings),
    serverOptions: {
      headersTimeout: HEADERS_MS,
      requestTimeout: requestMs,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 2000,
      // A client whose machine vanished is noticed by TCP.
      keepAlive: true,
      keepAliveInitialDelay: 5000,
    },
    overrideGlobalObjects: false,
    ...(sockets && { websocket: { server: sockets } }),
  });
  if (!isHttpServer(server)) throw new TypeError('this is no HTTP/1 server');
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (socket.writable) socket.end(unreadableRequest(error.code));
    else socket.destroy();
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(port, host, resolve);
  await promise;
  server.off('error', reject);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  return { port: address.port, drain: (options) => drain(server, options) };
}

function isHttpServer(server: ReturnType<typeof createAdaptorServer>): server is Server {
  return 'closeAllConnections' in server;
}

async function drain(server: Server, { patienceMs, hurry, graceMs = 0 }: DrainOptions): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  // A connection whose last request ends now would be kept open for the next one.
  using _idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  using _hurry = setTimeout(() => hurry?.(), patienceMs);
  using _cut = setTimeout(() => server.closeAllConnections(), patienceMs + graceMs);
  await closed;
}
