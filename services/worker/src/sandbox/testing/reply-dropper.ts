import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Stands between a client and a Docker daemon, and lets chosen replies get lost after the daemon has done its work. */
export class ReplyDropper implements AsyncDisposable {
  readonly dockerHost: string;
  /** How many replies were dropped. */
  dropped = 0;
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /**
   * @param wanted the beginnings of request lines; the first reply to each is dropped
   * @param options `always`: every reply
   */
  static async start(
    dockerHost: string,
    wanted: readonly string[],
    { always = false }: { readonly always?: boolean } = {},
  ): Promise<ReplyDropper> {
    const folder = await mkdtemp(join(tmpdir(), 'dropper-'));
    const dropper = new ReplyDropper({ folder, daemon: new URL(dockerHost).pathname, wanted, always });
    const { promise, resolve } = Promise.withResolvers<void>();
    dropper.#server.listen(join(folder, 'docker.sock'), resolve);
    await promise;
    return dropper;
  }

  private constructor({
    folder,
    daemon,
    wanted,
    always,
  }: {
    readonly folder: string;
    readonly daemon: string;
    readonly wanted: readonly string[];
    readonly always: boolean;
  }) {
    this.#folder = folder;
    this.dockerHost = `unix://${folder}/docker.sock`;
    const left = new Set(wanted);
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connect({ path: daemon, allowHalfOpen: true });
      let drops = false;
      client.on('data', (data) => {
        const line = data.toString('latin1', 0, 100);
        const match = [...left].find((beginning) => line.startsWith(beginning));
        if (match !== undefined && !always) left.delete(match);
        drops ||= match !== undefined;
        upstream.write(data);
      });
      client.on('end', () => upstream.end());
      upstream.on('data', (data) => {
        if (!drops) return void client.write(data);
        this.dropped++;
        client.destroy();
        upstream.destroy();
      });
      upstream.on('end', () => client.end());
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => {
          client.destroy();
          upstream.destroy();
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
