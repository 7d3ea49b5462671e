import {
  type FleetEvent,
  type Keys,
  type QueuePayload,
  type QueueRecord,
  queueKey,
} from '@cronium/contracts';
import { HttpProblem } from '@cronium/http';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { ValkeyFullError, ValkeyUnavailableError } from '../errors.ts';
import type { NewJob } from '../intake/new-job.ts';
import { problems } from '../problems.ts';
import { replies, withValkey } from '../valkey/connection.ts';
import { ValkeyRoom } from '../valkey/room.ts';
import { Seen } from '../valkey/seen.ts';
import { addAll } from './bulk.ts';

const REGISTERED_MS = 10_000;
const COUNTED_MS = 1000;
const MOST_QUEUES = 5000;
const REPLICATED_MS = 1000;
const MOST_OPEN_QUEUES = 500;

/** What goes in, with the spec's queue. */
interface Group {
  readonly name: string;
  readonly record: QueueRecord;
  readonly jobs: NewJob[];
}

interface OpenQueue {
  readonly queue: Queue<QueuePayload>;
  /** That workers know of it. */
  registered?: Seen;
  /** How many jobs wait in it. */
  readonly counted: Seen;
  waiting: number;
}

/** How jobs get into the fleet's queues. */
export class FleetQueues {
  readonly valkey: Redis;
  readonly keys: Keys;
  readonly prefix: string;
  readonly room: ValkeyRoom;
  readonly #maxQueued: number;
  readonly #replicas: number;
  readonly #open = new Map<string, OpenQueue>();
  /** Where the last jobs went. */
  #latest: OpenQueue | undefined;

  constructor(options: {
    valkey: Redis;
    keys: Keys;
    prefix: string;
    maxQueued: number;
    /** How many replicas of Valkey must have what was written before it counts. */
    replicas?: number;
  }) {
    this.valkey = options.valkey;
    this.keys = options.keys;
    this.room = new ValkeyRoom(options.valkey);
    this.prefix = options.prefix;
    this.#maxQueued = options.maxQueued;
    this.#replicas = options.replicas ?? 0;
  }

  /** A job is about to come: what is asked now and then is asked while it is read. */
  lookAhead(): void {
    this.room.lookAhead();
    this.#latest?.counted.lookAhead();
  }

  /**
   * Puts jobs into their queues and tells results. A job whose id is in its queue already is left as it is. When this
   * throws, some of the jobs may be in the queue: calling it again with the same ids is safe.
   * @param jobs at most 1000
   * @param also events that are told with them
   * @throws ValkeyUnavailableError, ValkeyFullError; HttpProblem 429 when a queue is full
   */
  async add(jobs: readonly NewJob[], also: readonly FleetEvent[] = []): Promise<void> {
    const groups = await this.#put(jobs);
    const at = Date.now();
    const accepted = groups.map(({ name, jobs: added }) => ({
      type: 'accepted' as const,
      queue: name,
      jobs: added.map(({ id }) => id),
      at,
    }));
    await this.announce([...accepted, ...also]);
  }

  /** Puts ended jobs into their queues for another round of attempts, and tells results. Else as {@link add}. */
  async addAgain(jobs: readonly NewJob[], by: string): Promise<void> {
    const groups = await this.#put(jobs);
    const at = Date.now();
    await this.announce(
      groups.flatMap(({ name, jobs: added }) =>
        added.map(({ id }) => ({ type: 'retried' as const, queue: name, jobId: id, by, at })),
      ),
    );
  }

  async #put(jobs: readonly NewJob[]): Promise<Group[]> {
    const groups = groupByQueue(jobs);
    await withValkey(async () => {
      // Each asks Valkey now and then: at a low rate every time, so they ask at once.
      await Promise.all([this.#takeRoom(jobs), ...groups.map((group) => this.#prepare(group))]);
      await Promise.all(groups.map((group) => this.#addGroup(group)));
    });
    return groups;
  }

  /** Jobs that are in their queues already, as a repeat's are, need none. */
  async #takeRoom(jobs: readonly NewJob[]): Promise<void> {
    try {
      await this.room.take(jobs.map(({ bytes }) => bytes));
    } catch (error) {
      if (!(error instanceof ValkeyFullError)) throw error;
      const names = jobs.map(({ id, queue }) => queueKey(this.prefix, queue, id));
      if ((await this.valkey.exists(...names)) < new Set(names).size) throw error;
    }
  }

  /** Appends events to the stream that results reads. */
  async announce(events: readonly FleetEvent[]): Promise<void> {
    const pipeline = this.valkey.pipeline();
    for (const event of events) pipeline.xadd(this.keys.events, '*', 'event', JSON.stringify(event));
    replies(await withValkey(() => pipeline.exec()));
    await this.#replicated();
  }

  /**
   * Waits until enough replicas have all that this connection has written.
   * @throws ValkeyUnavailableError when they have not within a second; sending the same again is safe
   */
  async #replicated(): Promise<void> {
    if (this.#replicas === 0) return;
    const have = await withValkey(() => this.valkey.wait(this.#replicas, REPLICATED_MS));
    if (have >= this.#replicas) return;
    throw new ValkeyUnavailableError(
      `${have} of ${this.#replicas} replicas of Valkey have the write; look at them, or lower CRONIUM_VALKEY_REPLICAS`,
    );
  }

  /** The BullMQ queue of a name; the connection is shared and stays open when it is closed. */
  open(name: string): Queue<QueuePayload> {
    return this.#opened(name).queue;
  }

  async close(): Promise<void> {
    const queues = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(queues.map(({ queue }) => queue.close()));
  }

  #opened(name: string): OpenQueue {
    const known = this.#open.get(name);
    if (known) return known;
    // Neither waits for a connection: a queue made while Valkey is away must work afterwards.
    const queue = new Queue<QueuePayload>(name, {
      connection: this.valkey,
      prefix: this.prefix,
      skipWaitingForReady: true,
      skipVersionCheck: true,
    });
    // The connection's own listener logs its errors.
    queue.on('error', () => undefined);
    const counted = new Seen(COUNTED_MS, async () => {
      opened.waiting = await this.#countWaiting(name);
    });
    const opened: OpenQueue = { queue, counted, waiting: 0 };
    this.#open.set(name, opened);
    this.#closeOldest();
    return opened;
  }

  #closeOldest(): void {
    for (const [name, { queue }] of this.#open) {
      if (this.#open.size <= MOST_OPEN_QUEUES) return;
      this.#open.delete(name);
      queue.close().catch(() => undefined);
    }
  }

  async #prepare({ name, record, jobs }: Group): Promise<void> {
    const opened = this.#opened(name);
    this.#latest = opened;
    opened.registered ??= new Seen(REGISTERED_MS, () => this.#register(name, record));
    await Promise.all([opened.registered.fresh(), opened.counted.fresh()]);
    if (opened.waiting + jobs.length > this.#maxQueued) {
      throw problems.busy(
        `${opened.waiting} jobs wait in the queue ${name}; it takes ${this.#maxQueued}. Send this again when some have ended.`,
        10,
      );
    }
    opened.waiting += jobs.length;
  }

  /** Workers learn of a queue from the hash; the message only makes it sooner. */
  async #register(name: string, record: QueueRecord): Promise<void> {
    if ((await this.valkey.hexists(this.keys.queues, name)) === 1) return;
    if ((await this.valkey.hlen(this.keys.queues)) >= MOST_QUEUES) {
      throw new HttpProblem({
        slug: 'too-many-queues',
        status: 422,
        title: 'Too many different requirements',
        detail: `There are ${MOST_QUEUES} combinations of pool, requires and services already. Use one of those, or fewer labels.`,
      });
    }
    await this.valkey.hset(
      this.keys.queues,
      name,
      JSON.stringify({ pool: record.pool, requires: record.requires }),
    );
    await this.valkey.publish(this.keys.queuesChanged, name);
  }

  async #countWaiting(name: string): Promise<number> {
    const key = (part: string) => queueKey(this.prefix, name, part);
    const pipeline = this.valkey.pipeline().zcard(key('prioritized')).llen(key('wait')).zcard(key('delayed'));
    return replies(await pipeline.exec()).reduce<number>((sum, count) => sum + Number(count), 0);
  }

  async #addGroup({ name, jobs }: Group): Promise<void> {
    await addAll(this.open(name), { valkey: this.valkey, jobs });
  }
}

function groupByQueue(jobs: readonly NewJob[]): Group[] {
  const groups = new Map<string, Group>();
  for (const job of jobs) {
    const { queue: name, record } = job;
    const group = groups.get(name);
    if (group) group.jobs.push(job);
    else groups.set(name, { name, record, jobs: [job] });
  }
  return [...groups.values()];
}
