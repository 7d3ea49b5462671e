import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

const LOOPBACK = '127.0.0.1';

/**
 * Lets the shared network reach a service that listens on this host's loopback address alone: listens on the host's
 * address in that network and passes connections on. Nothing of the fleet listens to the world.
 */
export async function openOnGateway(gateway: string, port: number): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (from) => {
    const to = connect({ host: LOOPBACK, port, allowHalfOpen: true, noDelay: true });
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => sockets.delete(one));
    }
  });
  const listening = once(server, 'listening');
  server.listen(port, gateway);
  await listening;
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
