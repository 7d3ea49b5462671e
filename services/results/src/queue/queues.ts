import {
  type FlowRecord,
  flowRecord,
  type Keys,
  keysFor,
  QUEUED_NAME,
  type QueuePayload,
  type QueueRecord,
  queueKey,
  queueName,
  queueOf,
  queueOptions,
  queueRecord,
  readRecord,
} from '@cronium/contracts';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { replies } from './replies.ts';

/**
 * Where a job is in the queue. `active`: a worker holds it, or did until a moment ago. `stranded`: its data are there, in
 * none of the lists.
 */
export type QueuePlace = 'waiting' | 'delayed' | 'active' | 'completed' | 'stranded' | 'gone';

const SCANNED = 1000;

/** A job as the queue has it. */
export interface QueuedJob {
  readonly queue: string;
  readonly payload: string;
}

/**
 * Looks into the fleet's queues, removes what was cancelled, and adds the jobs of flows. Every call talks to Valkey and throws what
 * ioredis throws when it is away.
 */
export class Queues {
  readonly keys: Keys;
  readonly #valkey: Redis;
  readonly #prefix: string;
  readonly #open = new Map<string, Queue>();

  constructor(valkey: Redis, prefix: string) {
    this.#valkey = valkey;
    this.#prefix = prefix;
    this.keys = keysFor(prefix);
  }

  /** Every registered queue. */
  async registered(): Promise<Map<string, QueueRecord>> {
    const records = await this.#valkey.hgetall(this.keys.queues);
    const queues = new Map<string, QueueRecord>();
    for (const [name, text] of Object.entries(records)) {
      const record = readRecord(queueRecord, text);
      if (record !== undefined) queues.set(name, record);
    }
    return queues;
  }

  /** The payloads of jobs of one queue, as they were added; those that are gone are left out. */
  async payloads(queue: string, jobIds: readonly string[]): Promise<Map<string, string>> {
    const pipeline = this.#valkey.pipeline();
    for (const id of jobIds) pipeline.hget(this.#key(queue, id), 'data');
    const data = replies(await pipeline.exec());
    return new Map(
      jobIds.flatMap((id, at): [string, string][] => {
        const payload = data[at];
        return typeof payload === 'string' ? [[id, payload]] : [];
      }),
    );
  }

  /** Which of the jobs have data in the queue, in whatever state. */
  async existing(queue: string, jobIds: readonly string[]): Promise<Set<string>> {
    const pipeline = this.#valkey.pipeline();
    for (const id of jobIds) pipeline.exists(this.#key(queue, id));
    const there = replies(await pipeline.exec());
    return new Set(jobIds.filter((_, at) => there[at] === 1));
  }

  /** Looks for a job in every registered queue. */
  async find(jobId: string): Promise<QueuedJob | undefined> {
    const names = await this.#valkey.hkeys(this.keys.queues);
    const pipeline = this.#valkey.pipeline();
    for (const name of names) pipeline.hget(this.#key(name, jobId), 'data');
    const data = replies(await pipeline.exec());
    const at = data.findIndex((payload) => typeof payload === 'string');
    const [queue, payload] = [names[at], data[at]];
    return queue === undefined || typeof payload !== 'string' ? undefined : { queue, payload };
  }

  /** A flow that was accepted and is not stored yet. */
  async flow(flowId: string): Promise<FlowRecord | undefined> {
    const text = await this.#valkey.get(this.keys.flow(flowId));
    return text === null ? undefined : flowRecord.parse(JSON.parse(text));
  }

  async forgetFlow(flowId: string): Promise<void> {
    await this.#valkey.unlink(this.keys.flow(flowId));
  }

  /** Puts a job into its queue, as the producer does, and tells results. One that is there already stays as it is. */
  async add(id: string, payload: QueuePayload): Promise<void> {
    const record = queueOf(payload.spec);
    const queue = queueName(record);
    const isNew = await this.#valkey.hsetnx(this.keys.queues, queue, JSON.stringify(record));
    if (isNew === 1) await this.#valkey.publish(this.keys.queuesChanged, queue);
    const at = Date.now();
    const options = queueOptions(payload, { kept: true, at });
    await this.queue(queue).add(QUEUED_NAME, payload, { jobId: id, ...options });
    const event = { type: 'accepted', queue, jobs: [id], at };
    await this.#valkey.xadd(this.keys.events, '*', 'event', JSON.stringify(event));
  }

  async place(queue: string, jobId: string): Promise<QueuePlace> {
    const state = await this.queue(queue).getJobState(jobId);
    if (state === 'waiting' || state === 'prioritized') return 'waiting';
    if (state === 'delayed' || state === 'active') return state;
    if (state === 'completed' || state === 'failed') return 'completed';
    return (await this.existing(queue, [jobId])).has(jobId) ? 'stranded' : 'gone';
  }

  /** The ids of all jobs in a queue that have not ended, a page at a time. */
  async *held(queue: string): AsyncGenerator<string[]> {
    const key = (part: string) => this.#key(queue, part);
    for (const list of ['wait', 'active']) {
      const ids = await this.#valkey.lrange(key(list), 0, -1);
      if (ids.length > 0) yield ids;
    }
    for (const set of ['prioritized', 'delayed']) {
      for await (const found of this.#valkey.zscanStream(key(set), { count: SCANNED })) {
        const ids = (found as string[]).filter((_, index) => index % 2 === 0);
        if (ids.length > 0) yield ids;
      }
    }
  }

  /**
   * Takes a job that waits out of its queue. Idempotent.
   * @returns where it was; `active` and `completed` ones are left alone
   */
  async removeWaiting(jobId: string, hint?: string): Promise<QueuePlace> {
    const queue = hint ?? (await this.find(jobId))?.queue;
    if (queue === undefined) return 'gone';
    const place = await this.place(queue, jobId);
    if (place !== 'waiting' && place !== 'delayed') return place;
    // 1: removed. Anything else: claimed in between, a locked job is not removed.
    return (await this.queue(queue).remove(jobId)) === 1 ? place : 'active';
  }

  /** BullMQ's view of a queue; writes nothing by being opened. */
  queue(name: string): Queue {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, {
      connection: this.#valkey,
      prefix: this.#prefix,
      skipMetasUpdate: true,
      skipVersionCheck: true,
    });
    // The connection is ours and reports its own errors.
    queue.on('error', () => undefined);
    this.#open.set(name, queue);
    return queue;
  }

  #key(queue: string, part: string): string {
    return queueKey(this.#prefix, queue, part);
  }

  /** Closes what was opened; the connection stays its owner's. */
  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map((queue) => queue.close()));
  }
}
