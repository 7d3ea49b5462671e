import {
  type CancelRequest,
  cancelRequest,
  type Keys,
  type NodeCensus,
  type NodeRecord,
  nodeRecord,
  queueKey,
  readRecord,
} from '@cronium/contracts';
import { retry } from '@cronium/lifecycle';
import type { Redis } from 'ioredis';
import type { Cancellable, KeyWish } from '../attempt/deps.ts';
import type { CancelWish, NodeStore, StoreOptions } from './fleet-link.ts';

const ANSWER_SECONDS = 60;
/** Only tidiness: a key whose job no longer runs is nobody's. */
const KEY_SECONDS = 30 * 86_400;

/**
 * A key is its holder's as long as that job stands in its queue's list of active jobs: when it ends, or its worker dies
 * and the queue takes it back, the key is free without anybody's doing. All of the fleet's keys are in one cluster slot.
 */
const HOLD_KEY = `
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then
  local at = string.find(held, '\\n', 1, true)
  if redis.call('LPOS', string.sub(held, 1, at - 1), string.sub(held, at + 1)) then return held end
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]`;

/**
 * One script, because a command may be carried out late: a connection that breaks sends again what was not answered, and
 * after a standstill that would be written over the report of whoever has the name since.
 */
const PUBLISH = `
local stands = redis.call('HGET', KEYS[1], ARGV[1])
local isRead, found = pcall(cjson.decode, stands or '')
if isRead and type(found) == 'table' and type(found.keys) == 'table' and found.state ~= 'stopped' then
  local key = found.keys[1]
  if key and key.kid ~= ARGV[3] and found.seenAt ~= tonumber(ARGV[4]) then return 0 end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1`;

export interface FleetStoreOptions extends StoreOptions {
  readonly keys: Keys;
  /** The prefix of BullMQ's keys. */
  readonly prefix: string;
  /** For commands that fail fast. */
  readonly commands: Redis;
}

/** The fleet's own keys in Valkey. */
export class FleetStore implements NodeStore {
  readonly #options: FleetStoreOptions;
  readonly #keys: Keys;
  readonly #commands: Redis;

  constructor(options: FleetStoreOptions) {
    this.#options = options;
    this.#keys = options.keys;
    this.#commands = options.commands;
  }

  async ping(): Promise<void> {
    await this.#commands.ping();
  }

  async queues(): Promise<Readonly<Record<string, string>>> {
    return this.#commands.hgetall(this.#keys.queues);
  }

  async pausedPools(): Promise<ReadonlySet<string>> {
    return new Set(await this.#commands.smembers(this.#keys.pausedPools));
  }

  /** Does an operator want this node drained? */
  async isDrained(node: string): Promise<boolean> {
    return (await this.#commands.hget(this.#keys.drains, node)) === 'drain';
  }

  async publishNode(record: NodeRecord, before: NodeRecord | undefined): Promise<boolean> {
    const { node, keys } = record;
    const values = [node, JSON.stringify(record), keys[0]?.kid ?? '', before?.seenAt ?? 0];
    return (await this.#commands.eval(PUBLISH, 1, this.#keys.nodes, ...values)) === 1;
  }

  async nodeRecord(node: string): Promise<NodeRecord | undefined> {
    const text = await this.#commands.hget(this.#keys.nodes, node);
    return text === null ? undefined : readRecord(nodeRecord, text);
  }

  /** The script that a tenant runs before all its jobs. */
  async preTask(tenant: string): Promise<string | undefined> {
    return (await this.#commands.hget(this.#keys.preTasks, tenant)) ?? undefined;
  }

  /** Says what this node's Docker runs. */
  async answerCensus(node: string, census: NodeCensus): Promise<void> {
    await this.#commands.hset(this.#keys.census, node, JSON.stringify(census));
  }

  /** Takes a concurrency key; returns the id of the job that has it now. */
  async holdKey({ tenant, key, queue, jobId }: KeyWish): Promise<string> {
    const active = queueKey(this.#options.prefix, queue, 'active');
    const mine = `${active}\n${jobId}`;
    const name = this.#keys.concurrency(tenant, key);
    const holder = await this.#commands.eval(HOLD_KEY, 1, name, mine, KEY_SECONDS);
    return String(holder).split('\n')[1] ?? '';
  }

  async cancelRequest(job: Cancellable): Promise<CancelRequest | undefined> {
    const [only] = await this.cancelRequests([job]);
    return only?.request;
  }

  /** Those of the jobs that someone wants cancelled. A batch's wish is for what it had when it was made. */
  async cancelRequests(jobs: readonly Cancellable[]): Promise<readonly CancelWish[]> {
    if (jobs.length === 0) return [];
    const batches = [...new Set(jobs.flatMap(({ payload }) => payload.batchId ?? []))];
    const found = await this.#commands.mget([
      ...jobs.map(({ jobId }) => this.#keys.cancel(jobId)),
      ...batches.map((batchId) => this.#keys.cancelBatch(batchId)),
    ]);
    const requests = found.map((value) => (typeof value === 'string' ? readCancel(value) : undefined));
    const ofBatch = new Map(batches.map((batchId, index) => [batchId, requests[jobs.length + index]]));
    return jobs.flatMap(({ jobId, payload }, index) => {
      const whole = ofBatch.get(payload.batchId ?? '');
      const request =
        requests[index] ?? (whole !== undefined && payload.acceptedAt <= whole.at ? whole : undefined);
      return request === undefined ? [] : [{ jobId, request }];
    });
  }

  /** Answers a question that came over the control channel; whoever asked looks for it for a while. */
  async answer(question: string, answer: unknown): Promise<void> {
    await this.#commands.set(this.#keys.answer(question), JSON.stringify(answer), 'EX', ANSWER_SECONDS);
  }

  /** Voids an execution token; tries again until the token has run out by itself. */
  revoke(jti: string, seconds: number): void {
    const until = performance.now() + seconds * 1000;
    const { signal, onError } = this.#options;
    retry(() => this.#commands.set(this.#keys.revoked(jti), '1', 'EX', Math.max(1, Math.ceil(seconds))), {
      signal,
      attempts: Number.POSITIVE_INFINITY,
      when: () => performance.now() < until,
    }).catch((error) => {
      if (!signal.aborted) onError(error);
    });
  }
}

/** The wish is in the key's existence; a value that cannot be read does not undo it. */
function readCancel(value: string): CancelRequest {
  return readRecord(cancelRequest, value) ?? { by: 'someone', at: Date.now() };
}
