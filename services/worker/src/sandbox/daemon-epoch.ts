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
    await this.#fresh.call({
      operation: 'ask the daemon whether it is there',
      method: 'GET',
      path: '/_ping',
    });
    return undefined;
  }

  close(): void {
    this.#fresh.close();
  }
}
