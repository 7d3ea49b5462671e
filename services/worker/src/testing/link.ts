import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP link to a server that a test can cut and heal. */
export class Link implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: URL;
  readonly #sockets = new Set<Socket>();
  #state: 'up' | 'cut' | 'silent' = 'up';

  private constructor(target: URL) {
    this.#target = target;
    const { hostname: host, port } = target;
    this.#server = createServer((near) => this.#accept(near, connect({ host, port: Number(port) })));
  }

  /** Listens on a free port of this machine. */
  static async to(url: string): Promise<Link> {
    const link = new Link(new URL(url));
    const listening = Promise.withResolvers<void>();
    link.#server.listen(0, '127.0.0.1', listening.resolve);
    await listening.promise;
    return link;
  }

  /** The server's URL with this link's address in it. */
  get url(): string {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new TypeError('the link has no port');
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${address.port}`;
    return url.href;
  }

  /** Breaks every connection and takes no new one. */
  cut(): void {
    this.#state = 'cut';
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nothing gets through any more, and nobody is told: a half-open link. */
  silence(): void {
    this.#state = 'silent';
    for (const socket of this.#sockets) socket.pause();
  }

  heal(): void {
    this.#state = 'up';
    // What was silent stays so: its other end has long been given up.
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(near: Socket, far: Socket): void {
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      this.#sockets.add(socket);
      socket.on('data', (bytes) => {
        if (this.#state === 'up') other.write(bytes);
      });
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    if (this.#state === 'cut') near.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    this.cut();
    await closed.promise;
  }
}
