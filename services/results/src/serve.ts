import type { Server } from 'node:http';
import { unreadableRequest } from '@cronium/contracts';
import { deadline, waitFor } from '@cronium/lifecycle';
import { createAdaptorServer } from '@hono/node-server';
import type { Hono } from 'hono';
import { WebSocketServer } from 'ws';
import type { Env } from './http/auth.ts';

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 5000;

/** A server that listens. */
export interface HttpServer {
  readonly port: number;
  readonly server: Server;
  /** Takes no more connections, waits for the requests that go on, and cuts what is left when time is up. */
  drain(withinMs: number): Promise<void>;
}

/** Listens; resolves when connections are taken. */
export async function serve(
  app: Hono<Env>,
  { host, port }: { host: string; port: number },
): Promise<HttpServer> {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 });
  const server = createAdaptorServer({
    fetch: (request, env) => app.fetch(request, env),
    serverOptions: {
      headersTimeout: HEADERS_MS,
      requestTimeout: 300_000,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 2000,
      keepAlive: true,
      keepAliveInitialDelay: 5000,
    },
    overrideGlobalObjects: false,
    websocket: { server: forAdapter(sockets) },
  });
  if (!isHttpServer(server)) throw new TypeError('this is no HTTP/1 server');
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (socket.writable) socket.end(unreadableRequest(error.code));
    else socket.destroy();
  });
  server.once('error', reject);
  server.listen(port, host, resolve);
  await promise;
  server.off('error', reject);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  return { port: address.port, server, drain: (withinMs) => drain({ server, sockets }, withinMs) };
}

function isHttpServer(server: ReturnType<typeof createAdaptorServer>): server is Server {
  return 'closeAllConnections' in server;
}

/** The adapter describes ws's own class, but lists the overloads of `send` in another way than ws's types do. */
function forAdapter(sockets: WebSocketServer): WebSocketServerLike {
  return sockets as unknown as WebSocketServerLike;
}

type WebSocketServerLike = NonNullable<Parameters<typeof createAdaptorServer>[0]['websocket']>['server'];

async function drain(
  { server, sockets }: { server: Server; sockets: WebSocketServer },
  withinMs: number,
): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeIdleConnections();
  using limit = deadline(withinMs, 'requests still go on');
  await waitFor(closed, limit).catch(() => {
    // Upgraded connections are no longer the server's own.
    for (const socket of sockets.clients) socket.terminate();
    server.closeAllConnections();
  });
  await closed;
}
