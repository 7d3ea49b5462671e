import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const SLOW_MS = 300;

/** Stands between a client and a Docker daemon that takes its time to rename, and notes in which order what was done. */
export class SlowRenames implements AsyncDisposable {
  readonly dockerHost: string;
  /** `rename <id>` when its answer came, `remove <id>` when it was asked for. */
  readonly story: string[] = [];
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #asked = new Set<string>();

  static async start(dockerHost: string): Promise<SlowRenames> {
    const slow = new SlowRenames(await mkdtemp(join(tmpdir(), 'slow-')), new URL(dockerHost).pathname);
    const { promise, resolve } = Promise.withResolvers<void>();
    slow.#server.listen(join(slow.#folder, 'docker.sock'), resolve);
    await promise;
    return slow;
  }

  private constructor(folder: string, daemon: string) {
    this.#folder = folder;
    this.dockerHost = `unix://${folder}/docker.sock`;
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connect({ path: daemon, allowHalfOpen: true });
      let renaming: string | undefined;
      client.on('data', async (data) => {
        const [, method, id = ''] = /^(POST|DELETE) \/containers\/([0-9a-f]{64})/.exec(data.toString()) ?? [];
        if (method === 'DELETE') this.story.push(`remove ${id}`);
        if (method === 'POST' && data.includes(`${id}/rename`)) {
          renaming = id;
          this.#asked.add(id);
          await pause(SLOW_MS);
        }
        upstream.write(data);
      });
      upstream.on('data', (data) => {
        if (renaming !== undefined) this.story.push(`rename ${renaming}`);
        renaming = undefined;
        client.write(data);
      });
      client.on('end', () => upstream.end());
      upstream.on('end', () => client.end());
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => socket.destroy());
        socket.on('close', () => [client, upstream].map((one) => one.destroy()));
      }
    });
  }

  /** Was the daemon asked to rename it? */
  isAsked(id: string): boolean {
    return this.#asked.has(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    await promise;
    await rm(this.#folder, { recursive: true, force: true });
  }
}
