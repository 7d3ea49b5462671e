import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { unreadableRequest } from '@cronium/contracts';
import { deadline, waitFor } from '@cronium/lifecycle';
import { createAdaptorServer } from '@hono/node-server';
import type { App } from './app-env.ts';

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 5000;
const IDLE_CHECK_MS = 100;
/** Of a shutdown's time, so much goes to requests that end by themselves; the rest to those that are told to. */
const PATIENT_SHARE = 0.6;

/** A server that listens. */
export interface HttpServer {
  readonly port: number;
  /**
   * Takes no more connections and waits for the requests that go on. Past most of the time it calls `hurry`, and at the
   * end it cuts the connections that are left.
   */
  drain(options: { withinMs: number; hurry(): void }): Promise<void>;
}

/** Listens; resolves when connections are taken. */
export async function serve(app: App, { host, port }: { host: string; port: number }): Promise<HttpServer> {
  const server = createAdaptorServer({
    fetch: (request) => app.fetch(request),
    serverOptions: {
      headersTimeout: HEADERS_MS,
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: 2000,
    },
    overrideGlobalObjects: false,
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
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  return { port: address.port, drain: (options) => drain(server, options) };
}

function isHttpServer(server: ReturnType<typeof createAdaptorServer>): server is Server {
  return 'closeAllConnections' in server;
}

async function drain(
  server: Server,
  { withinMs, hurry }: { withinMs: number; hurry(): void },
): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  // A connection whose last request ends now would be kept open for the next one.
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS);
  closed.then(() => clearInterval(idle));
  if (await within(closed, withinMs * PATIENT_SHARE)) return;
  hurry();
  if (await within(closed, withinMs * (1 - PATIENT_SHARE) * 0.5)) return;
  server.closeAllConnections();
  await closed;
}

async function within(promise: Promise<void>, milliseconds: number): Promise<boolean> {
  using limit = deadline(milliseconds, 'requests still go on');
  const ended = promise.then(() => true);
  // Awaited here: the limit ends with this function.
  return await waitFor(ended, limit).catch(() => false);
}
