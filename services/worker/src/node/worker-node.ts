import { setMaxListeners } from 'node:events';
import { type ControlMessage, keysFor, type NodeKey } from '@cronium/contracts';
import { DeadlineError, repeat } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import type { AttemptDeps } from '../attempt/deps.ts';
import type { Claim } from '../claim/claim.ts';
import { claimFrom } from '../claim/claimer.ts';
import { Gate, type Obstacle } from '../claim/gate.ts';
import { type Held, type Lease, Leases } from '../claim/leases.ts';
import { JobQueue } from '../claim/queue.ts';
import { Queues } from '../claim/queues.ts';
import { type Slot, Slots } from '../claim/slots.ts';
import type { Journal } from '../journal/journal.ts';
import { Shipper } from '../logs/shipper.ts';
import { Reporter } from '../report/reporter.ts';
import { isRefusal, type ResultsClient } from '../report/results-client.ts';
import { openAttempt, runJob } from '../run-job.ts';
import type { SandboxRuntime } from '../sandbox/runtime.ts';
import type { Connections } from './connections.ts';
import { nodeRecordOf } from './heartbeat.ts';
import { createWorkerMetrics, type WorkerMetrics } from './metrics.ts';
import { takeBackAll } from './recovery.ts';
import { Running } from './running.ts';
import type { NodeSettings } from './settings.ts';
import { FleetStore, listen } from './store.ts';

export interface WorkerNodeParts {
  readonly settings: NodeSettings;
  readonly connections: Connections;
  readonly runtime: SandboxRuntime;
  readonly results: ResultsClient;
  readonly journal: Journal;
  readonly nodeKey: NodeKey;
  readonly log: Logger;
}

const HEARTBEAT_MS = 5000;
const REFRESH_MS = 5000;
const READINESS_MS = 5000;
const RECONCILE_MS = 60_000;
/** What is younger may still be in the making. */
const RECONCILE_GRACE_MS = 120_000;

/** One worker: claims jobs, runs them, reports them. `start` brings it up, `stop` takes it down; both once. */
export class WorkerNode {
  readonly gate: Gate;
  readonly slots: Slots;
  readonly running: Running;
  readonly leases: Leases;
  readonly reporter: Reporter;
  readonly shipper: Shipper;
  readonly store: FleetStore;
  readonly metrics: WorkerMetrics;
  readonly #parts: WorkerNodeParts;
  readonly #queues: Queues;
  readonly #claiming = new AbortController();
  readonly #living = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #claimers: Promise<void>[] = [];
  readonly #startedAt = Date.now();
  /** The latest answer of the runtime; shown by /ready and the heartbeat. */
  blockers: readonly Obstacle[] = [];
  #stopped = false;

  constructor(parts: WorkerNodeParts) {
    const { settings, connections, log, results } = parts;
    this.#parts = parts;
    setMaxListeners(0, this.#claiming.signal, this.#living.signal);
    const warn = (message: string) => (error: unknown) => log.warn({ err: error }, message);
    const keys = keysFor(settings.prefix);
    this.slots = new Slots(settings.slots);
    this.running = new Running(() => this.gate.changed());
    this.gate = new Gate({ obstacles: () => this.#loadObstacles() });
    this.gate.set('start', 'the node is starting: it takes back what a former process left');
    this.store = new FleetStore({
      keys,
      commands: connections.commands,
      signal: this.#living.signal,
      onError: warn('a token could not be revoked; it has run out by itself'),
    });
    this.reporter = new Reporter({
      results,
      onRefusedEpoch: (attemptId, answer) => this.running.supersede(attemptId, answer),
      onError: warn('results does not take reports; trying again'),
    });
    this.shipper = new Shipper({
      send: (frames, signal) => results.sendLogs(frames, signal),
      isRefusal,
      onError: warn('results does not take logs; trying again'),
    });
    this.leases = new Leases({
      lockMs: settings.lockMs,
      extend: (queue, held) => this.#extend(queue, held),
      onError: (error) => this.#renewalFailed(error),
      afterRenewal: (held) => this.#lookForCancels(held.map(({ jobId }) => jobId)),
    });
    this.metrics = createWorkerMetrics(this);
    this.#queues = new Queues({
      node: settings,
      list: () => this.store.queues(),
      open: (name) => this.#openQueue(name),
      onServed: (queue, record) => {
        log.info({ queue: queue.name, pool: record.pool, requires: record.requires }, 'serving a queue');
        queue.watchStalled().catch(warn('the stalled check could not start'));
        this.#claimers.push(
          claimFrom(
            {
              node: settings.node,
              queue,
              record,
              gate: this.gate,
              slots: this.slots,
              leases: this.leases,
              start: (claim, lease, slot) => this.#startAttempt(claim, lease, slot),
              onError: warn('claiming failed; trying again'),
            },
            this.#claiming.signal,
          ),
        );
      },
      onError: warn('a queue could not be read'),
    });
  }

  /** What the attempts' stories use. */
  get deps(): AttemptDeps {
    const { settings, runtime, journal, results, nodeKey, log } = this.#parts;
    return {
      node: settings.node,
      nodeKey,
      limits: settings.limits,
      runtime,
      journal,
      results,
      log,
      reporter: this.reporter,
      shipper: this.shipper,
      store: this.store,
      queue: (name) => this.#queues.get(name),
      onExit: (attemptId) => this.running.exited(attemptId),
      onOutcome: (update) => this.metrics.outcome(update),
    };
  }

  /** Starts everything in the background; what is missing shows in the gate's obstacles. */
  start(): void {
    const { log, connections, settings } = this.#parts;
    const living = this.#living.signal;
    const every = (everyMs: number, name: string, run: (signal: AbortSignal) => Promise<void>) =>
      this.#loops.push(
        repeat(run, {
          everyMs,
          signal: living,
          onError: (error) => log.warn({ err: error }, `${name} failed`),
        }),
      );
    every(HEARTBEAT_MS, 'the heartbeat', () => this.heartbeat());
    this.#loops.push(this.reporter.run(living), this.shipper.run(living), this.leases.run(living));
    every(READINESS_MS, 'the readiness check', (signal) => this.#checkReadiness(signal));
    every(REFRESH_MS, 'reading the fleet’s wishes', () => this.#refresh());
    listen(connections.subscriber, keysFor(settings.prefix), {
      onMessage: (message) => this.#control(message),
      onQueuesChanged: () => this.#inBackground(() => this.#queues.refresh()),
      onConnected: () => this.#inBackground(() => this.#refresh()),
      onError: (error) => log.warn({ err: error }, 'listening to the fleet failed'),
    });
    this.#loops.push(this.#recover(living));
  }

  /**
   * Takes no more jobs, lets those that run end for a while, leaves the rest to a successor, and says that the node has
   * stopped. Idempotent.
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    const { settings, log } = this.#parts;
    this.gate.set('stop', 'the worker is stopping');
    this.#claiming.abort();
    this.#inBackground(() => this.heartbeat());
    await this.running.drain(settings.drainMs);
    const left = await this.running.handOver();
    if (left.length > 0) log.info({ attempts: left }, 'left running for the next start of this node');
    // The successor gets the whole time of the locks.
    await this.leases.renew(this.#living.signal).catch(() => undefined);
    await this.reporter.flush(AbortSignal.timeout(2000)).catch(() => undefined);
    await this.heartbeat('stopped').catch(() => undefined);
    this.#living.abort();
    await Promise.all([...this.#claimers, ...this.#loops]);
    await this.#queues.close();
  }

  /** Stops as a killed process does: nothing is said to anybody, everything stays as it is. For tests. */
  async crash(): Promise<void> {
    this.#stopped = true;
    this.#living.abort();
    this.#claiming.abort();
    // Not awaited: a test may have stopped an attempt for ever at the point of death.
    this.running.handOver().catch(() => undefined);
    await Promise.all([...this.#claimers, ...this.#loops]);
    await this.#queues.close();
  }

  async heartbeat(state?: 'stopped'): Promise<void> {
    const record = nodeRecordOf(this, this.#parts, { state, startedAt: this.#startedAt });
    await this.store.publishNode(record);
  }

  #startAttempt(claim: Claim, lease: Lease, slot: Slot): void {
    const { deps } = this;
    this.#parts.log.info({ attempt: claim.attemptId, queue: claim.queue }, 'claimed');
    this.metrics.claimed(claim);
    const attempt = openAttempt(claim, lease, deps);
    this.running.add(attempt, slot, () => runJob(attempt, deps));
  }

  /** Takes back what a former process left, then opens the gate. */
  async #recover(signal: AbortSignal): Promise<void> {
    await takeBackAll(
      { deps: this.deps, leases: this.leases, slots: this.slots, running: this.running },
      signal,
    );
    if (signal.aborted) return;
    this.gate.set('start', undefined);
    const { runtime, log } = this.#parts;
    await repeat(
      async () => {
        const removed = await runtime.reconcile(this.running.ids, RECONCILE_GRACE_MS, false);
        if (removed.length > 0) log.warn({ removed }, 'removed what no attempt owns');
      },
      { everyMs: RECONCILE_MS, signal, onError: (error) => log.warn({ err: error }, 'reconciling failed') },
    );
  }

  #loadObstacles(): Obstacle[] {
    const { settings, runtime } = this.#parts;
    const obstacles: Obstacle[] = [];
    if (this.running.backlog >= settings.backlogMax) {
      const message = `${settings.backlogMax} ended attempts wait for results; start it again, or raise CRONIUM_BACKLOG_MAX`;
      obstacles.push({ name: 'backlog', message });
    }
    if (runtime.capacity() <= this.running.unprepared) {
      const message = 'no subnet is free for another job; raise CRONIUM_SUBNET_RANGE, or lower CRONIUM_SLOTS';
      obstacles.push({ name: 'subnets', message });
    }
    return obstacles;
  }

  async #checkReadiness(signal: AbortSignal): Promise<void> {
    this.blockers = await this.#parts.runtime.blockers(signal);
    const message = this.blockers.map((blocker) => blocker.message).join('; ');
    this.gate.set('docker', message === '' ? undefined : message);
  }

  async #refresh(): Promise<void> {
    await this.#queues.refresh();
    this.gate.setPausedPools(await this.store.pausedPools());
    const drained = await this.store.isDrained(this.#parts.settings.node);
    this.gate.set('drain', drained ? 'an operator drains this node; `cronium resume` ends that' : undefined);
  }

  #control(message: ControlMessage): void {
    if (message.type === 'cancel') this.#inBackground(() => this.#lookForCancels([message.jobId]));
    else this.#inBackground(() => this.#refresh());
  }

  async #lookForCancels(jobIds: readonly string[]): Promise<void> {
    const held = jobIds.filter((jobId) => this.running.ofJob(jobId).length > 0);
    for (const { jobId, request } of await this.store.cancelRequests(held)) {
      for (const attempt of this.running.ofJob(jobId)) {
        attempt.requestStop({ type: 'cancelled', by: request.by, reason: request.reason });
      }
    }
  }

  #extend(queue: string, held: readonly Held[]): Promise<readonly string[]> {
    return this.#queues.get(queue).extend(
      held.map(({ jobId }) => jobId),
      held.map(({ token }) => token),
    );
  }

  /** An unanswered renewal means a dead link: TCP alone would take minutes to see it. */
  #renewalFailed(error: unknown): void {
    this.#parts.log.warn({ err: error }, 'locks could not be renewed');
    if (error instanceof DeadlineError) this.#parts.connections.queue.disconnect(true);
  }

  #openQueue(name: string): JobQueue {
    const { settings, connections, log } = this.#parts;
    return new JobQueue({
      name,
      prefix: settings.prefix,
      connection: connections.queue,
      lockMs: settings.lockMs,
      stalledCheckMs: settings.stalledCheckMs,
      node: settings.node,
      onError: (error) => log.debug({ err: error, queue: name }, 'the queue’s connection has an error'),
    });
  }

  #inBackground(run: () => Promise<void>): void {
    run().catch((error) =>
      this.#parts.log.warn(
        { err: error },
        'a request of the fleet could not be followed; it is looked at again',
      ),
    );
  }
}
