import { createHash } from 'node:crypto';
import { z } from 'zod';

/** The fleet's keys in Valkey. All carry the prefix, whose hash tag keeps them in one cluster slot. */
export interface Keys {
  /** Stream of {@link FleetEvent}s from producers, read by the consumer group of results. */
  readonly events: string;
  /** Hash: queue name -> JSON {@link QueueRecord}. */
  readonly queues: string;
  /** Hash: node name -> JSON NodeRecord, written by each worker's heartbeat. */
  readonly nodes: string;
  /** Hash: sha256 (hex) of an API key -> JSON ApiKeyRecord. */
  readonly apiKeys: string;
  /** Pub/sub channel of ControlMessage JSON. */
  readonly control: string;
  /** Pub/sub channel: a queue was registered (payload: its name). */
  readonly queuesChanged: string;
  /** Set of paused pools. */
  readonly pausedPools: string;
  /** Hash: node -> JSON NodeCensus, its answer to the latest census. */
  readonly census: string;
  /** Hash: node -> 'drain', the wish of an operator. */
  readonly drains: string;
  /** String, JSON FlowRecord: an accepted flow, until results has stored it. */
  flow(flowId: string): string;
  /** Hash: `<tenant>:<name>` -> JSON ScheduleRecord. */
  readonly schedules: string;
  /** Sorted set: fields of {@link Keys.schedules} by when they are due next, Unix ms. */
  readonly schedulesDue: string;
  /** String: a producer runs this schedule now. */
  scheduleLock(field: string): string;
  /** String, JSON: someone wants this job cancelled. */
  cancel(jobId: string): string;
  /** String, JSON: someone wants all jobs of this batch cancelled that were accepted (`acceptedAt`) before its `at`. */
  cancelBatch(batchId: string): string;
  /** String: the tenant whose batch this is; kept for a week, until results surely knows the batch. */
  batch(batchId: string): string;
  /** Hash: length and number of a chunk -> digest of its jobs, of a batch that came with an idempotency key. */
  batchChunks(batchId: string): string;
  /** String: the execution token with this jti is no longer good. */
  revoked(jti: string): string;
  /** String, JSON: what a node answered to a question of the control channel; kept for a minute. */
  answer(question: string): string;
  /** String: which job holds a concurrency key. */
  concurrency(tenant: string, key: string): string;
  /** String: sha256 of the request that first used this idempotency key. */
  idempotency(tenant: string, key: string): string;
  /** String: a tenant's cached variable, as one run of the Valkey server knows it. */
  variable(run: string, tenant: string, key: string): string;
  /** Hash: tenant -> the source of the script that runs before all its jobs; a copy of what results has. */
  readonly preTasks: string;
}

/** The consumer group with which results reads {@link Keys.events}. */
export const EVENTS_GROUP = 'results';

const PREFIX = /^\{[A-Za-z0-9._-]{1,64}\}$/;

/**
 * Names every key under a prefix.
 * @throws RangeError when the prefix is not one hash tag such as `{cronium}`
 */
export function keysFor(prefix: string): Keys {
  if (!PREFIX.test(prefix)) {
    throw new RangeError(`a key prefix is one hash tag such as {cronium}, not ${JSON.stringify(prefix)}`);
  }
  // BullMQ's keys are <prefix>:<queue>:…, and people name queues: the empty part is a name that no queue has.
  const of = (...parts: readonly string[]) => [prefix, '', ...parts].join(':');
  return Object.freeze({
    events: of('events'),
    queues: of('queues'),
    nodes: of('nodes'),
    apiKeys: of('api-keys'),
    control: of('control'),
    queuesChanged: of('queues-changed'),
    pausedPools: of('paused-pools'),
    census: of('census'),
    drains: of('drains'),
    flow: (flowId: string) => of('flow', flowId),
    schedules: of('schedules'),
    schedulesDue: of('schedules-due'),
    scheduleLock: (field: string) => of('schedule-lock', field),
    cancel: (jobId: string) => of('cancel', jobId),
    cancelBatch: (batchId: string) => of('cancel', batchId),
    batch: (batchId: string) => of('batch', batchId),
    batchChunks: (batchId: string) => of('batch-chunks', batchId),
    revoked: (jti: string) => of('revoked', jti),
    answer: (question: string) => of('answer', question),
    concurrency: (tenant: string, key: string) => of('concurrency', tenant, key),
    idempotency: (tenant: string, key: string) => of('idempotency', tenant, key),
    variable: (run: string, tenant: string, key: string) => of('variable', run, tenant, key),
    preTasks: of('pre-tasks'),
  });
}

/**
 * A key that BullMQ keeps for a queue: a list (`wait`, `active`), a sorted set (`prioritized`, `delayed`, `completed`), or,
 * by its id, the hash of a job.
 */
export function queueKey(prefix: string, queue: string, part: string): string {
  return `${prefix}:${queue}:${part}`;
}

/** What a worker must know to decide whether it may serve a queue. */
export interface QueueRecord {
  readonly pool: string;
  readonly requires: Readonly<Record<string, string>>;
}

/** The value in {@link Keys.queues}. */
export const queueRecord: z.ZodType<QueueRecord> = z.object({
  pool: z.string(),
  requires: z.record(z.string(), z.string()),
});

/** How a queue's requirements name a service: no label of a node can be called that. */
const SERVICE = 'service:';

/** The queue that a job belongs in: services that it names are required of nodes as labels are. */
export function queueOf({
  pool,
  requires,
  services,
}: QueueRecord & { readonly services: readonly string[] }): QueueRecord {
  const offered = services.map((name) => [`${SERVICE}${name}`, 'true'] as const);
  return { pool, requires: { ...requires, ...Object.fromEntries(offered) } };
}

/** What a queue requires of nodes, taken apart: labels, and services by name. */
export function needsOf({ requires }: Pick<QueueRecord, 'requires'>): {
  readonly labels: Readonly<Record<string, string>>;
  readonly services: readonly string[];
} {
  const [services, labels] = partition(Object.entries(requires), ([name]) => name.startsWith(SERVICE));
  return {
    labels: Object.fromEntries(labels),
    services: services.map(([name]) => name.slice(SERVICE.length)),
  };
}

function partition<T>(items: readonly T[], is: (item: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [items.filter(is), items.filter((item) => !is(item))];
}

/**
 * The BullMQ queue of a pool and a set of required node labels. Jobs with different requirements wait in different
 * queues, so a worker never takes one that it cannot run.
 */
export function queueName({ pool, requires }: QueueRecord): string {
  const entries = Object.entries(requires).sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return pool;
  return `${pool}~${createHash('sha256').update(JSON.stringify(entries)).digest('hex').slice(0, 12)}`;
}

/** What decides which queues a node may serve. */
export interface NodeOffer {
  readonly pools: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly services?: readonly { readonly name: string }[] | undefined;
}

/** May a node with these pools, labels and services serve the queue? */
export function serves({ pools, labels, services = [] }: NodeOffer, queue: QueueRecord): boolean {
  if (!pools.includes(queue.pool)) return false;
  const needs = needsOf(queue);
  const offered = new Set(services.map(({ name }) => name));
  return (
    Object.entries(needs.labels).every(([name, value]) => labels[name] === value) &&
    needs.services.every((name) => offered.has(name))
  );
}

/** BullMQ serves small numbers first and 0 before all others; a job's priority is higher for sooner. */
export function toQueuePriority(priority: number): number {
  return 1001 - priority;
}
