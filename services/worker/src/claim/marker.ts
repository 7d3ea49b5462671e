import type { Redis } from 'ioredis';

export interface MarkerOptions {
  /** The queue's key of this name. */
  readonly key: string;
  /** Made like this one is the one that waits block. */
  readonly connection: Redis;
  /** Told when something is wrong with the connection of the waits. */
  onError(error: unknown): void;
}

/**
 * What BullMQ puts beside a queue when work comes, and one of those who wait takes away. BullMQ's own wait is not used: after
 * the process stood still its two deadlines fall due at once, and it closes its connection for ever (ADR 0013). Here the
 * connection is closed at the end alone; ioredis makes a broken one anew for as long as it takes, and fails what waited on it.
 */
export class Marker {
  readonly #key: string;
  readonly #connection: Redis;
  readonly #blocked: Redis;

  constructor({ key, connection, onError }: MarkerOptions) {
    this.#key = key;
    this.#connection = connection;
    this.#blocked = connection.duplicate({
      connectionName: `${connection.options.connectionName ?? 'worker'}:wait`,
      lazyConnect: true,
      maxRetriesPerRequest: 0,
    });
    this.#blocked.on('error', onError);
  }

  /**
   * Waits for the marker, at most this long, and takes it away.
   * @returns the time (Unix ms) from which there is work, 0 for now; `undefined` when time is up
   * @throws when the connection breaks: a marker may have been taken with it, so that the queue must be looked at
   */
  async take(milliseconds: number): Promise<number | undefined> {
    const taken = await this.#blocked.bzpopmin(this.#key, milliseconds / 1000);
    return taken === null ? undefined : Number(taken[2]);
  }

  async put(): Promise<void> {
    await this.#connection.zadd(this.#key, 0, '0');
  }

  close(): void {
    this.#blocked.disconnect();
  }
}
