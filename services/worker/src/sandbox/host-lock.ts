import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { pause } from '@cronium/lifecycle';

/** A holder says this often that it lives, and may be busy for as long as its daemon makes it. */
const ALIVE_EVERY_MS = 400;
/** One that was stopped says nothing, and must not stop the others. */
const PATIENCE_MS = 2000;
/** Who gives it back while others wait lets one of them have it first. */
const COURTESY_MS = 100;

/** What a lock waits for. */
export interface LockTimes {
  /** How long a holder may say nothing. */
  readonly patienceMs: number;
  /** How long who gave the lock back lets the others come first. */
  readonly courtesyMs: number;
}

/** Gives the lock back. */
export type Release = () => void;

/**
 * A lock that processes of one host share, by name: who listens on the abstract socket of that name has it. The kernel
 * takes it from a process that ends, and whoever waits is connected to the holder and sees that it lets go.
 *
 * It is for what goes wrong rarely without it: where there are no such sockets, or a holder's process stands still for two
 * seconds, work goes on without the lock.
 */
export class HostLock {
  readonly #path: string;
  readonly #times: LockTimes;
  /** Until then (monotonic milliseconds) others come first. */
  #courtesyUntil = 0;

  constructor(name: string, times: Partial<LockTimes> = {}) {
    this.#times = { patienceMs: PATIENCE_MS, courtesyMs: COURTESY_MS, ...times };
    this.#path = `\0cronium-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  }

  /** Resolves when this process has the lock, or its holder stands still. */
  async acquire(): Promise<Release> {
    const courtesy = this.#courtesyUntil - performance.now();
    if (courtesy > 0) await pause(courtesy);
    do {
      const release = await this.#listen();
      if (release !== 'taken') return release;
    } while (await this.#released());
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
    server.listen(this.#path, () => {
      const alive = setInterval(() => {
        for (const socket of waiting) socket.write('.');
      }, ALIVE_EVERY_MS).unref();
      resolve(() => {
        clearInterval(alive);
        if (waiting.size > 0) this.#courtesyUntil = performance.now() + this.#times.courtesyMs;
        server.close();
        for (const socket of waiting) socket.destroy();
      });
    });
    server.unref();
    return promise;
  }

  /** Resolves when the holder has let go; with false when it stands still. */
  async #released(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket = connect(this.#path);
    const silence = setTimeout(() => resolve(false), this.#times.patienceMs);
    socket
      // So many wait for one that stands still that it cannot even be asked.
      .on('error', ({ code }: NodeJS.ErrnoException) => code === 'EAGAIN' && resolve(false))
      .on('data', () => silence.refresh())
      .once('close', () => resolve(true));
    const isReleased = await promise;
    clearTimeout(silence);
    socket.destroy();
    return isReleased;
  }
}
