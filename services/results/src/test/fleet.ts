import {
  attemptIdOf,
  compressRecords,
  createNodeKey,
  encodeChunks,
  encodeRecords,
  type FleetEvent,
  type JobInput,
  jobSpec,
  type LogChunk,
  type LogRecord,
  type NodeKey,
  type NodeRecord,
  newJobId,
  type QueuePayload,
  queueName,
  queueOf,
  signExecutionToken,
  signNodeToken,
  traceIdForJob,
} from '@cronium/contracts';
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { dayOf } from '../db/partitions.ts';
import type { IngestUpdate } from '../ingest/fold-updates.ts';
import type { Queues } from '../queue/queues.ts';

const NODE = 'n1';

/** A producer and a worker node, as far as results notices them. */
export class Fleet implements AsyncDisposable {
  readonly #valkey: Redis;
  readonly #queues: Queues;
  readonly #prefix: string;
  readonly #open = new Map<string, Queue>();
  readonly key: NodeKey;

  private constructor(valkey: Redis, queues: Queues, { prefix, key }: { prefix: string; key: NodeKey }) {
    this.#valkey = valkey;
    this.#queues = queues;
    this.#prefix = prefix;
    this.key = key;
  }

  static async create(valkey: Redis, queues: Queues, prefix: string): Promise<Fleet> {
    const fleet = new Fleet(valkey, queues, { prefix, key: await createNodeKey() });
    await fleet.heartbeat();
    return fleet;
  }

  async heartbeat(change: Partial<NodeRecord> = {}): Promise<void> {
    const now = Date.now();
    const record: NodeRecord = {
      node: NODE,
      version: '1',
      pools: ['default'],
      labels: {},
      slots: 4,
      busy: 0,
      state: 'ready',
      reasons: [],
      images: [],
      keys: [this.key.publicJwk as NodeRecord['keys'][number]],
      startedAt: now,
      seenAt: now,
      ...change,
    };
    await this.#valkey.hset(this.#queues.keys.nodes, record.node, JSON.stringify(record));
  }

  queue(name: string): Queue {
    const known = this.#open.get(name);
    if (known) return known;
    const queue = new Queue(name, { connection: this.#valkey, prefix: this.#prefix });
    this.#open.set(name, queue);
    return queue;
  }

  /** Puts a job into its queue; announces it unless told not to. */
  async submit(id: string, payload: QueuePayload, { announce = true, delay = 0 } = {}): Promise<void> {
    const record = queueOf(payload.spec);
    const name = queueName(record);
    await this.#valkey.hset(this.#queues.keys.queues, name, JSON.stringify(record));
    await this.queue(name).add('job', payload, { jobId: id, priority: 1001, delay });
    if (announce) await this.announce({ type: 'accepted', queue: name, jobs: [id], at: Date.now() });
  }

  /** Someone who takes jobs from a queue and holds them. */
  async claimer(name: string): Promise<AsyncDisposable & { take(): Promise<string | undefined> }> {
    const worker = new Worker(name, null, { connection: this.#valkey, prefix: this.#prefix, autorun: false });
    await worker.waitUntilReady();
    return {
      take: async () => (await worker.getNextJob('a-token', { block: false }))?.id,
      [Symbol.asyncDispose]: () => worker.close(true),
    };
  }

  async announce(event: FleetEvent): Promise<void> {
    await this.#valkey.xadd(this.#queues.keys.events, '*', 'event', JSON.stringify(event));
  }

  async nodeAuth(): Promise<Record<string, string>> {
    return { authorization: `Bearer ${await signNodeToken(this.key, NODE)}` };
  }

  async executionAuth(jobId: string, attempt = 1, tenant = 'default'): Promise<Record<string, string>> {
    const id = attemptIdOf(jobId, attempt);
    const iat = Math.floor(Date.now() / 1000);
    const token = await signExecutionToken(this.key, {
      iss: NODE,
      aud: ['runtime-api', 'results'],
      sub: id,
      executionId: id,
      jobId,
      attempt,
      tenant,
      jti: `jti-${id}-0123456789`,
      iat,
      exp: iat + 600,
    });
    return { authorization: `Bearer ${token}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.values()].map((queue) => queue.close()));
  }
}

/** A payload with sensible defaults. */
export function payloadOf(
  id: string,
  rest: Partial<QueuePayload> = {},
  spec: Partial<JobInput> = {},
): QueuePayload {
  const now = Date.now();
  return {
    v: 1,
    spec: jobSpec.parse({
      type: 'script',
      name: 'a job',
      script: { language: 'bash', source: 'true' },
      ...spec,
    }),
    tenant: 'default',
    traceId: traceIdForJob(id),
    receivedAt: now - 5,
    acceptedAt: now,
    attemptBase: 0,
    postponed: 0,
    ...rest,
  };
}

type UpdateChange = Partial<Omit<IngestUpdate, 'payload'>> & { payload?: QueuePayload };

/** A report of an attempt, by default of its claim. */
export function updateOf(jobId: string, attempt: number, change: UpdateChange = {}): IngestUpdate {
  const payload = change.payload ?? payloadOf(jobId);
  const at = payload.acceptedAt + attempt * 1000;
  return {
    attemptId: attemptIdOf(jobId, attempt),
    jobId,
    attempt,
    node: NODE,
    day: dayOf(Date.now()),
    state: 'claimed',
    timeline: [{ moment: 'claimed', at }],
    final: false,
    lostAttempts: [],
    ...change,
    payload: payload as IngestUpdate['payload'],
  };
}

/** All that an attempt reports on its way to success, in order. */
export function successOf(jobId: string, attempt = 1, payload = payloadOf(jobId)): IngestUpdate[] {
  const at = payload.acceptedAt + attempt * 1000;
  const claimed = { moment: 'claimed', at } as const;
  const started = { moment: 'main_started', at: at + 100 } as const;
  const ended = { moment: 'main_ended', at: at + 300 } as const;
  const drained = { moment: 'drain_ended', at: at + 310 } as const;
  const timeline = [claimed, started, ended, drained];
  const outcome = { state: 'succeeded', exitCode: 0, death: null } as const;
  const end = { state: 'succeeded', outcome, final: true } as const;
  return [
    updateOf(jobId, attempt, { payload, timeline: [claimed] }),
    updateOf(jobId, attempt, { payload, state: 'preparing', timeline: [claimed] }),
    updateOf(jobId, attempt, { payload, state: 'running', timeline: [claimed, started] }),
    updateOf(jobId, attempt, { payload, ...end, timeline }),
    updateOf(jobId, attempt, {
      payload,
      ...end,
      timeline: [...timeline, { moment: 'teardown_ended', at: at + 400 }],
    }),
  ];
}

/** The end of an attempt that failed. */
export function failureOf(
  jobId: string,
  attempt: number,
  { final = true, payload = payloadOf(jobId) }: { final?: boolean; payload?: QueuePayload } = {},
): IngestUpdate {
  const at = payload.acceptedAt + attempt * 1000;
  return updateOf(jobId, attempt, {
    payload,
    state: final ? 'failed' : 'queued',
    final,
    timeline: [
      { moment: 'claimed', at },
      { moment: 'main_started', at: at + 10 },
      { moment: 'main_ended', at: at + 20 },
    ],
    outcome: {
      state: 'failed',
      exitCode: 3,
      death: {
        attempt,
        cause: 'exit',
        certainty: 'certain',
        phase: 'main',
        exitCode: 3,
        signal: null,
        message: 'It exited with 3.',
        evidence: { events: [], logTail: [], host: {} },
        at: new Date(at + 20).toISOString(),
      },
    },
  });
}

/** Cuts records into chunks. */
export function chunksOf(
  attemptId: string,
  records: readonly LogRecord[],
  { each = 10, last = true }: { each?: number; last?: boolean } = {},
): LogChunk[] {
  const chunks: LogChunk[] = [];
  const ends = { stdout: 0, stderr: 0 };
  const pieces = Math.max(1, Math.ceil(records.length / each));
  for (let piece = 0; piece < pieces; piece++) {
    const own = records.slice(piece * each, (piece + 1) * each);
    for (const { stream, bytes, newline } of own) ends[stream] += bytes.length + (newline ? 1 : 0);
    const raw = encodeRecords(own);
    chunks.push({
      header: {
        attemptId,
        day: dayOf(Date.now()),
        chunk: piece,
        firstSeq: piece * each + 1,
        records: own.length,
        stdoutEnd: ends.stdout,
        stderrEnd: ends.stderr,
        omittedBytes: 0,
        rawBytes: raw.length,
        last: last && piece === pieces - 1,
        time: own[0]?.time ?? Date.now(),
      },
      body: compressRecords(raw),
    });
  }
  return chunks;
}

export { encodeChunks, newJobId };
