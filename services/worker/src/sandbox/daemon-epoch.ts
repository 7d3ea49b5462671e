import { stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DockerClient } from './docker.ts';

/** A daemon keeps so many events in memory, for those who ask for the past; Docker 17 to 28 all do. */
const EVENTS_KEPT = 256;

/** A run of the daemon, as seen over one connection. */
export interface DaemonRun {
  /** When it made its default bridge network; `undefined` when it runs without one. */
  readonly bridgeMadeAt: string | undefined;
}

/** When a container started, in which run of the daemon as far as that is known, and how it ended. */
export interface ContainerLife {
  readonly startedIn: DaemonRun | undefined;
  readonly startedAt: string;
  readonly exitCode: number;
}

/** SIGKILL and SIGTERM: what a daemon that stops leaves of its containers. */
const TAKEN_ALONG: ReadonlySet<number> = new Set([137, 143]);

/**
 * Which run of the daemon this is. A daemon makes its default bridge network anew at each start, unless containers lived
 * on through it, so that network's time of creation tells two runs apart. Where it does not, the daemon's memory does:
 * one that remembers few events, and none from before a container's start, was not there then. Of one that remembers
 * many, and none that is old enough, its socket's age tells.
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
  async former({ startedIn, startedAt, exitCode }: ContainerLife): Promise<string | undefined> {
    const run = await this.#confirm();
    const made = run.bridgeMadeAt;
    const startedMs = Date.parse(startedAt);
    // Not the time of its end: a daemon under load may kill what it finds only after it has made its networks.
    if (made !== undefined && made !== startedIn?.bridgeMadeAt && startedMs <= Date.parse(made))
      return `it runs since ${made}`;
    // Over one connection it is one run.
    if (run === startedIn) return undefined;
    const remembered = await this.#remembers(startedMs);
    const isFormer =
      remembered === 'no' ||
      (remembered === 'unclear' && TAKEN_ALONG.has(exitCode) && startedMs < (await this.#socketMadeMs()));
    return isFormer ? `it was not there at ${startedAt}, when the container started` : undefined;
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

  /** Was this run there then? Where a proxy withholds the events, or too much has happened since, it cannot be known so. */
  async #remembers(timeMs: number): Promise<'yes' | 'no' | 'unclear'> {
    const info = await this.#fresh.call<{ LiveRestoreEnabled: boolean; SystemTime: string }>({
      operation: 'ask the daemon about itself',
      method: 'GET',
      path: '/info',
    });
    // One with live-restore takes over what a former one had started.
    if (info.LiveRestoreEnabled) return 'yes';
    const events = await this.#eventsUntil(info.SystemTime).catch(() => undefined);
    if (events?.some(({ timeNano }) => timeNano / 1e6 <= timeMs)) return 'yes';
    return events !== undefined && events.length < EVENTS_KEPT ? 'no' : 'unclear';
  }

  /** A daemon makes its socket when it starts, unless the host's init holds it for the daemon. Unix ms; long ago if unknown. */
  async #socketMadeMs(): Promise<number> {
    if (!this.#fresh.isLocal) return 0;
    return await stat(new URL(this.#fresh.address).pathname).then(
      ({ birthtimeMs }) => birthtimeMs,
      () => 0,
    );
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
