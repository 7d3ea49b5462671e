import { type Fetcher, type HttpServer, type ListenOptions, listen } from '@cronium/http';
import { WebSocketServer } from 'ws';

const REQUEST_MS = 300_000;
const LONGEST_MESSAGE = 64 * 1024;

/** Listens, also for WebSockets; resolves when connections are taken. */
export async function serve(app: Fetcher, address: { host: string; port: number }): Promise<HttpServer> {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LONGEST_MESSAGE });
  const server = await listen(app, { ...address, requestMs: REQUEST_MS, sockets: forAdapter(sockets) });
  return {
    port: server.port,
    drain: (options) =>
      server.drain({
        ...options,
        hurry: () => {
          options.hurry?.();
          // Upgraded connections are no longer the server's own.
          for (const socket of sockets.clients) socket.terminate();
        },
      }),
  };
}

/** The adapter describes ws's own class, but lists the overloads of `send` in another way than ws's types do. */
function forAdapter(sockets: WebSocketServer): NonNullable<ListenOptions['sockets']> {
  return sockets as unknown as NonNullable<ListenOptions['sockets']>;
}
