import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';

/** A server that listens. */
export interface HttpServer {
  readonly port: number;
  /** Takes no more requests and cuts what is left: nothing here is worth waiting for. */
  close(): Promise<void>;
}

/** Listens; resolves when connections are taken. */
export async function serve(
  app: { fetch(request: Request): Response | Promise<Response> },
  { host, port }: { host: string; port: number },
): Promise<HttpServer> {
  const server = createAdaptorServer({
    fetch: (request) => app.fetch(request),
    overrideGlobalObjects: false,
  });
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject);
  server.listen(port, host, listening.resolve);
  await listening.promise;
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the server has no port');
  const close = async () => {
    const closed = Promise.withResolvers<void>();
    server.close(() => closed.resolve());
    if ('closeAllConnections' in server) server.closeAllConnections();
    await closed.promise;
  };
  return { port: address.port, close };
}
