import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { deadline, waitFor } from '@cronium/lifecycle';

/** A holder that was stopped must not stop the others. */
const PATIENCE_MS = 2000;

/** Gives the lock back. */
export type Release = () => void;

/**
 * A lock that processes of one host share, by name: who listens on the abstract socket of that name has it. The kernel
 * takes it from a process that ends, and whoever waits is connected to the holder and sees that it lets go.
 *
 * It is for what goes wrong rarely without it: where there are no such sockets, or a holder stands still for two seconds,
 * work goes on without the lock.
 */
export class HostLock {
  readonly #path: string;

  constructor(name: string) {
    this.#path = `\0cronium-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  }

  /** Resolves when this process has the lock, or has waited long enough. */
  async acquire(): Promise<Release> {
    using limit = deadline(PATIENCE_MS, 'wait for another worker of this host');
    while (!limit.aborted) {
      const release = await this.#listen();
      if (release !== 'taken') return release;
      await this.#released(limit);
    }
    return () => undefined;
  }

  #listen(): Promise<Release | 'taken'> {
    const { promise, resolve } = Promise.withResolvers<Release | 'taken'>();
    const waiting = new Set<Socket>();
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined).on('close', () => waiting.delete(socket));
      waiting.add(socket.unref());
    });
    server.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'EADDRINUSE' ? 'taken' : () => undefined),
    );
    server.listen(this.#path, () =>
      resolve(() => {
        server.close();
        for (const socket of waiting) socket.destroy();
      }),
    );
    server.unref();
    return promise;
  }

  /** Resolves when the holder has let go, or at the limit. */
  async #released(limit: AbortSignal): Promise<void> {
    const socket = connect(this.#path);
    const closed = new Promise<void>((resolve) => {
      socket.on('error', () => undefined).once('close', () => resolve());
    });
    await waitFor(closed, limit).catch(() => undefined);
    socket.destroy();
  }
}
