import { setImmediate as nextTurn } from 'node:timers/promises';
import { DockerClient } from './docker.ts';

/** A daemon keeps so many events in memory, for those who ask for the past; Docker 17 to 28 all do. */
const EVENTS_KEPT = 256;

/** A run of the daemon, as seen over one connection. */
export interface DaemonRun {
  /** When it made its default bridge network; `undefined` when it runs without one. */
  readonly bridgeMadeAt: string | undefined;
}

/** When a container started, and in which run of the daemon as far as that is known. */
export interface ContainerStart {
  readonly in: DaemonRun | undefined;
  readonly at: string;
}

/**
 * Which run of the daemon this is. A daemon makes its default bridge network anew at each start, unless containers lived
 * on through it, so that network's time of creation tells two runs apart. Where it does not, the daemon's memory does:
 * one that remembers few events, and none from before a container's start, was not there then.
 */
export class DaemonEpoch {
  /** A connection for each question: a daemon that is stopping takes no new ones, but still answers on old ones. */
  readonly #fresh: DockerClient;
  #known: Promise<DaemonRun> | undefined;

  constructor(dockerHost: string, callMs: number) {
    this.#fresh = new DockerClient(dockerHost, { callMs, keepAlive: false });
  }

  /** As last read, read now if it may have changed since. */
  async current(): Promise<DaemonRun> {
    this.#known ??= this.#read();
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
   * Was the container started by a former run of the daemon, which took it along when it ended?
   * @returns what shows it, or `undefined` when this is the same run as far as can be known
   */
  async former(start: ContainerStart): Promise<string | undefined> {
    const run = await this.#confirm();
    const made = run.bridgeMadeAt;
    // Not the time of its end: a daemon under load may kill what it finds only after it has made its networks.
    if (made !== undefined && made !== start.in?.bridgeMadeAt && Date.parse(start.at) <= Date.parse(made))
      return `it runs since ${made}`;
    // Over one connection it is one run.
    if (run === start.in) return undefined;
    return (await this.#hasMissed(start.at)) ? `it does not know of the start at ${start.at}` : undefined;
  }

  /**
   * The run now. While the connection that events come over has not broken since the run was read, this is still it; an
   * answer over a new connection proves that it is not stopping.
   */
  async #confirm(): Promise<DaemonRun> {
    const known = this.#known;
    if (known === undefined) return this.current();
    const run = await known;
    if (!this.#fresh.isLocal) {
      const read = await this.#read();
      return read.bridgeMadeAt === run.bridgeMadeAt ? run : read;
    }
    await this.#ping();
    // The end of a daemon's connections comes before another's answer, but may be told in the same turn.
    await nextTurn();
    return this.#known === known ? run : this.current();
  }

  /** Asks the daemon over a new connection; an answer proves that it is not stopping. */
  async #read(): Promise<DaemonRun> {
    const bridge = await this.#fresh.find<{ Created: string }>({
      operation: 'ask the daemon for its default network',
      method: 'GET',
      path: '/networks/bridge',
    });
    if (bridge === undefined) await this.#ping();
    return { bridgeMadeAt: bridge?.Created };
  }

  /** Is this run younger than that, for sure? Where a proxy withholds the events it cannot be known. */
  async #hasMissed(time: string): Promise<boolean> {
    const info = await this.#fresh.call<{ LiveRestoreEnabled: boolean; SystemTime: string }>({
      operation: 'ask the daemon about itself',
      method: 'GET',
      path: '/info',
    });
    // One with live-restore takes over what a former one had started.
    if (info.LiveRestoreEnabled) return false;
    const events = await this.#eventsUntil(info.SystemTime).catch(() => undefined);
    if (events === undefined || events.length >= EVENTS_KEPT) return false;
    return events.every(({ timeNano }) => timeNano / 1e6 > Date.parse(time));
  }

  /** @param time by the daemon's clock: it would wait for what is still to come */
  #eventsUntil(time: string): Promise<{ readonly timeNano: number }[]> {
    return this.#fresh.lines({
      operation: 'ask the daemon for its last events',
      method: 'GET',
      path: '/events',
      query: { since: '1', until: (Date.parse(time) / 1000).toFixed(3) },
    });
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
