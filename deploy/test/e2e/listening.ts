import { once } from 'node:events';
import type { Server } from 'node:http';

/** A web server of a test, closed with all its connections at the end. */
export async function listening(
  server: Server,
  address: { readonly host?: string; readonly port?: number } = {},
): Promise<AsyncDisposable & { readonly port: number }> {
  const { host = '127.0.0.1', port = 0 } = address;
  const up = once(server, 'listening');
  server.listen(port, host);
  await up;
  const own = server.address();
  return {
    port: typeof own === 'object' && own !== null ? own.port : port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
