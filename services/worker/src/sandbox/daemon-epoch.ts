import { setImmediate as nextTurn } from 'node:timers/promises';
import { DockerClient } from './docker.ts';

/**
 * Which run of the daemon this is. A daemon makes its default bridge network anew at each start, unless containers lived
 * on through it (live-restore), so that network's time of creation tells two runs apart.
 */
export class DaemonEpoch {
  /** A connection for each question: a daemon that is stopping takes no new ones, but still answers on old ones. */
  readonly #fresh: DockerClient;
  #known: Promise<string | undefined> | undefined;

  constructor(dockerHost: string, callMs: number) {
    this.#fresh = new DockerClient(dockerHost, { callMs, keepAlive: false });
  }

  /** As last read, read now if it may have changed since. */
  async current(): Promise<string | undefined> {
    this.#known ??= this.read();
    try {
      return await this.#known;
    } catch (error) {
      this.#known = undefined;
      throw error;
    }
  }

  /** The connection was lost: what was read may be of a former run. */
  forget(): void {
    this.#known = undefined;
  }

  /**
   * The epoch now. While the connection that events come over has not broken since the epoch was read, this is the same
   * run of the daemon; an answer over a new connection proves that it is not stopping.
   */
  async confirm(): Promise<string | undefined> {
    const known = this.#known;
    if (known === undefined || !this.#fresh.isLocal) return this.read();
    const epoch = await known;
    await this.#ping();
    // The end of a daemon's connections comes before another's answer, but may be told in the same turn.
    await nextTurn();
    return this.#known === known ? epoch : this.read();
  }

  /**
   * Asks the daemon over a new connection; an answer proves that it is not stopping. `undefined` when it runs without a
   * default bridge.
   */
  async read(): Promise<string | undefined> {
    const bridge = await this.#fresh.find<{ Created: string }>({
      operation: 'ask the daemon for its default network',
      method: 'GET',
      path: '/networks/bridge',
    });
    if (bridge !== undefined) return bridge.Created;
    await this.#ping();
    return undefined;
  }

  async #ping(): Promise<void> {
    await this.#fresh.call({
      operation: 'ask the daemon whether it is there',
      method: 'GET',
      path: '/_ping',
    });
  }

  close(): void {
    this.#fresh.close();
  }
}
