import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One connection through a {@link Relay}: what is done with what comes from either side. */
export interface RelayedConnection {
  onRequest(data: Buffer): void | Promise<void>;
  onReply(data: Buffer): void;
}

/** Stands between clients and a Docker daemon: a Unix socket of its own whose connections go on to the daemon's. */
export class Relay implements AsyncDisposable {
  readonly dockerHost: string;
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param open called with both ends of each connection */
  static async start(
    dockerHost: string,
    open: (client: Socket, daemon: Socket) => RelayedConnection,
  ): Promise<Relay> {
    const relay = new Relay(await mkdtemp(join(tmpdir(), 'relay-')), new URL(dockerHost).pathname, open);
    const { promise, resolve } = Promise.withResolvers<void>();
    relay.#server.listen(join(relay.#folder, 'docker.sock'), resolve);
    await promise;
    return relay;
  }

  private constructor(
    folder: string,
    path: string,
    open: (client: Socket, daemon: Socket) => RelayedConnection,
  ) {
    this.#folder = folder;
    this.dockerHost = `unix://${folder}/docker.sock`;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const daemon = connect({ path, allowHalfOpen: true });
      const connection = open(client, daemon);
      client.on('data', (data: Buffer) => void connection.onRequest(data));
      daemon.on('data', (data: Buffer) => connection.onReply(data));
      client.on('end', () => daemon.end());
      daemon.on('end', () => client.end());
      for (const socket of [client, daemon]) {
        this.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => {
          client.destroy();
          daemon.destroy();
        });
      }
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
