import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type JobInput,
  jobSpec,
  type Keys,
  keysFor,
  newJobId,
  type QueuePayload,
  type QueueRecord,
  queueName,
  queueOf,
  toQueuePriority,
  traceIdForJob,
} from '@cronium/contracts';
import { createLogger, createMetrics } from '@cronium/telemetry';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import type { AttemptLimits } from '../attempt/deps.ts';
import { Journal } from '../journal/journal.ts';
import { loadNodeKey } from '../journal/state-dir.ts';
import { connect } from '../node/connections.ts';
import type { NodeSettings } from '../node/settings.ts';
import { valkeyLink } from '../node/valkey-link.ts';
import { WorkerNode } from '../node/worker-node.ts';
import { ScriptedHost, type Step, succeeds } from './scripted-host.ts';
import { ScriptedResults } from './scripted-results.ts';
import { type Point, ScriptedRuntime, type ScriptedRuntimeOptions } from './scripted-runtime.ts';

/** A worker in this process with a scripted machine. */
export interface TestWorker {
  readonly node: WorkerNode;
  readonly name: string;
  readonly host: ScriptedHost;
  readonly stateDir: string;
  /** Dies without a word: its containers, locks and journal stay. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

export interface TestWorkerOptions extends Partial<Omit<ScriptedRuntimeOptions, 'host'>> {
  readonly name?: string;
  readonly settings?: Partial<Omit<NodeSettings, 'limits'>> & { readonly limits?: Partial<AttemptLimits> };
  /** Reaches Valkey by another way than the test itself. */
  readonly valkeyUrl?: string;
  /** A worker with this one's machine and state directory: its successor. */
  readonly successorOf?: TestWorker;
}

/** A fleet of workers on a real Valkey with a scripted results service. */
export class TestFleet implements AsyncDisposable {
  readonly prefix: string;
  readonly results = new ScriptedResults();
  readonly valkey: Redis;
  readonly keys: Keys;
  readonly #url: string;
  readonly #folders = new Map<string, string>();
  readonly #queues = new Map<string, Queue>();
  readonly #workers = new Set<TestWorker>();
  /** What jobs do, by their name; anything else prints its name and succeeds. */
  scripts: Record<string, (attempt: number) => readonly Step[]> = {};

  constructor(url: string, prefix = `{t-${randomBytes(6).toString('hex')}}`) {
    this.#url = url;
    this.prefix = prefix;
    this.keys = keysFor(prefix);
    this.valkey = new Redis(url, { maxRetriesPerRequest: null });
  }

  /** Puts a job into the queue as the producer does. */
  async submit(
    input: Partial<JobInput> = {},
    change: (payload: QueuePayload) => unknown = (payload) => payload,
  ): Promise<string> {
    const spec = jobSpec.parse({ type: 'script', script: { language: 'bash', source: 'true' }, ...input });
    const id = newJobId();
    const payload: QueuePayload = {
      v: 1,
      spec,
      tenant: 'test',
      traceId: traceIdForJob(id),
      receivedAt: Date.now(),
      acceptedAt: Date.now(),
      attemptBase: 0,
      postponed: 0,
    };
    const queue = await this.queueFor(queueOf(spec));
    const priority = toQueuePriority(spec.priority);
    await queue.add('job', change(payload), { jobId: id, priority, removeOnComplete: true });
    return id;
  }

  queue(): Promise<Queue> {
    return this.queueFor({ pool: 'default', requires: {} });
  }

  async queueFor(record: QueueRecord): Promise<Queue> {
    const name = queueName(record);
    const known = this.#queues.get(name);
    if (known) return known;
    const queue = new Queue(name, { connection: this.valkey, prefix: this.prefix });
    this.#queues.set(name, queue);
    await this.valkey.hset(this.keys.queues, name, JSON.stringify(record));
    await this.valkey.publish(this.keys.queuesChanged, name);
    return queue;
  }

  async worker(options: TestWorkerOptions = {}): Promise<TestWorker> {
    const { successorOf, settings = {}, at, capacity, blockers, reconcile } = options;
    const name = options.name ?? successorOf?.name ?? `n-${randomBytes(4).toString('hex')}`;
    const host =
      successorOf?.host ?? new ScriptedHost((request) => this.#stepsOf(request.spec.name, request.attempt));
    const runtime = new ScriptedRuntime({
      host,
      ...(at === undefined ? {} : { at }),
      ...(capacity === undefined ? {} : { capacity }),
      ...(reconcile === undefined ? {} : { reconcile }),
      ...(blockers === undefined ? {} : { blockers }),
    });
    const folder = this.#folders.get(name) ?? mkdtempSync(join(tmpdir(), 'cronium-worker-test-'));
    this.#folders.set(name, folder);
    const journal = new Journal(folder);
    const connections = connect(options.valkeyUrl ?? this.#url, name, () => undefined);
    const all = settingsWith(defaults(name, this.prefix, folder), settings);
    const node = new WorkerNode({
      settings: all,
      link: valkeyLink({ connections, settings: all, onQueueError: () => undefined }),
      runtime,
      results: this.results,
      journal,
      nodeKey: await loadNodeKey(folder),
      registry: createMetrics('worker', {}, { ofProcess: false }),
      log: createLogger({ service: 'worker', node: name, level: this.logLevel }),
    });
    node.start();
    const worker: TestWorker = {
      node,
      name,
      host,
      stateDir: folder,
      crash: async () => {
        this.#workers.delete(worker);
        runtime.die();
        await node.crash();
        journal.close();
        connections.close();
      },
      stop: async () => {
        this.#workers.delete(worker);
        await node.stop();
        journal.close();
        connections.close();
      },
    };
    this.#workers.add(worker);
    return worker;
  }

  logLevel: 'silent' | 'debug' = 'silent';

  #stepsOf(name: string, attempt: number): readonly Step[] {
    return this.scripts[name]?.(attempt) ?? succeeds(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
    await Promise.all([...this.#queues.values()].map((queue) => queue.close()));
    for await (const keys of this.valkey.scanStream({ match: `${this.prefix}*`, count: 1000 })) {
      if (keys.length > 0) await this.valkey.unlink(...keys);
    }
    this.valkey.disconnect();
    this.removeFolders();
  }

  /** Removes the workers' state; for a process that ends without ending its fleet. */
  removeFolders(): void {
    for (const folder of this.#folders.values()) rmSync(folder, { recursive: true, force: true });
  }
}

function settingsWith(
  base: NodeSettings,
  { limits, ...more }: NonNullable<TestWorkerOptions['settings']>,
): NodeSettings {
  return { ...base, ...more, limits: { ...base.limits, ...limits } };
}

function defaults(name: string, prefix: string, folder: string): NodeSettings {
  return {
    node: name,
    version: '0.0.0',
    prefix,
    pools: ['default'],
    labels: {},
    services: [],
    slots: 4,
    lockMs: 3000,
    stalledCheckMs: 500,
    backlogMax: 100,
    stateDir: folder,
    diskMinFreeBytes: 0,
    drainMs: 5000,
    limits: {
      setupTimeoutMs: 5000,
      freezeMs: 60_000,
      stopGraceMs: 200,
      logMaxBytes: 1024 * 1024,
      spoolFolder: join(folder, 'spool'),
    },
  };
}

export type { Point };
