import { setMaxListeners } from 'node:events';
import {
  type ControlMessage,
  type ExecutionClaims,
  type NodeKey,
  type QueueRecord,
  signExecutionToken,
} from '@cronium/contracts';
import { DeadlineError, deadline, repeat, waitFor } from '@cronium/lifecycle';
import type { Logger, Metrics } from '@cronium/telemetry';
import type { AttemptDeps } from '../attempt/deps.ts';
import type { Claim } from '../claim/claim.ts';
import { ClaimWatch } from '../claim/claim-watch.ts';
import { claimFrom, type Place, PREPARED_AT_ONCE } from '../claim/claimer.ts';
import { Gate, type Obstacle } from '../claim/gate.ts';
import { type Held, type Lease, Leases } from '../claim/leases.ts';
import type { JobQueue } from '../claim/queue.ts';
import { Queues } from '../claim/queues.ts';
import { Slots } from '../claim/slots.ts';
import type { Journal } from '../journal/journal.ts';
import { Shipper } from '../logs/shipper.ts';
import { type HostFacts, recentHostFacts } from '../outcome/host.ts';
import { Reporter } from '../report/reporter.ts';
import { isFault, isRefusal, type ResultsClient } from '../report/results-client.ts';
import { openAttempt, runJob } from '../run-job.ts';
import type { SandboxRuntime } from '../sandbox/runtime.ts';
import type { FleetLink, NodeStore } from './fleet-link.ts';
import { forecastFor } from './forecast.ts';
import { nodeRecordOf } from './heartbeat.ts';
import { createWorkerMetrics, type WorkerMetrics } from './metrics.ts';
import { NameClaim } from './name-claim.ts';
import { loadObstacles } from './obstacles.ts';
import { takeBackAll } from './recovery.ts';
import { Running } from './running.ts';
import type { NodeSettings } from './settings.ts';
import { Upkeep } from './upkeep.ts';
import { Wishes } from './wishes.ts';

export interface WorkerNodeParts {
  readonly settings: NodeSettings;
  readonly link: FleetLink;
  readonly runtime: SandboxRuntime;
  readonly results: ResultsClient;
  readonly journal: Journal;
  readonly nodeKey: NodeKey;
  /** Default: with the node's key. */
  signToken?(claims: ExecutionClaims): Promise<string>;
  /** Default: of this host. */
  hostFacts?(): HostFacts;
  readonly log: Logger;
  /** Where metrics are counted; default: a registry of its own. */
  readonly registry?: Metrics;
  /** The folder whose disk is watched. */
  readonly stateDir?: string;
}

const HEARTBEAT_MS = 5000;
const REFRESH_MS = 5000;
const READINESS_MS = 5000;
const FORECAST_MS = 2000;
/** With the grace, well within a minute of quiet. */
const RECONCILE_MS = 15_000;
const HAND_OVER_MS = 2000;
const FLUSH_MS = 2000;
const CLOSE_MS = 1000;

/** One worker: claims jobs, runs them, reports them. `start` brings it up, `stop` takes it down; both once. */
export class WorkerNode {
  readonly gate: Gate;
  readonly slots: Slots;
  readonly running: Running;
  readonly leases: Leases;
  readonly reporter: Reporter;
  readonly shipper: Shipper;
  readonly store: NodeStore;
  readonly metrics: WorkerMetrics;
  readonly upkeep: Upkeep;
  readonly #parts: WorkerNodeParts;
  readonly #queues: Queues;
  readonly #wishes: Wishes;
  readonly #name: NameClaim;
  readonly #claims = new ClaimWatch();
  readonly #preparing = new Slots(PREPARED_AT_ONCE);
  readonly #claiming = new AbortController();
  readonly #living = new AbortController();
  readonly #loops: Promise<void>[] = [];
  readonly #hostFacts: () => HostFacts;
  readonly #startedAt = Date.now();
  #stopped: Promise<void> | undefined;

  constructor(parts: WorkerNodeParts) {
    const { settings, runtime } = parts;
    this.#parts = parts;
    this.#hostFacts = parts.hostFacts ?? recentHostFacts();
    setMaxListeners(0, this.#claiming.signal, this.#living.signal);
    this.slots = new Slots(settings.slots);
    this.running = new Running(() => this.gate.changed());
    const { backlogMax } = settings;
    this.gate = new Gate({ obstacles: () => loadObstacles(this.running, { runtime, backlogMax }) });
    this.gate.set('start', 'the node is starting: it takes back what a former process left');
    this.gate.set('docker', 'the node is starting: Docker was not checked yet');
    const onError = this.#warn('a token could not be revoked; it has run out by itself');
    this.store = parts.link.openStore({ signal: this.#living.signal, onError });
    this.reporter = this.#createReporter();
    this.shipper = this.#createShipper();
    this.#queues = this.#createQueues();
    const { store, gate, running } = this;
    const wishes = { store, gate, running, runtime, queues: this.#queues };
    this.#wishes = new Wishes({ ...wishes, node: settings.node });
    const { node: name } = settings;
    const { kid } = parts.nodeKey.publicJwk;
    this.#name = new NameClaim({ node: name, kid, gate, record: () => store.nodeRecord(name) });
    this.leases = this.#createLeases();
    this.metrics = createWorkerMetrics(this, parts);
    this.upkeep = this.#createUpkeep();
  }

  get name(): string {
    return this.#parts.settings.node;
  }

  /** All that keeps jobs from being claimed; paused pools do not count. */
  obstacles(): readonly Obstacle[] {
    return [...this.gate.obstacles(), ...this.#claims.obstacles()];
  }

  /** What the attempts' stories use. */
  get deps(): AttemptDeps {
    const { settings, runtime, journal, results, nodeKey, log } = this.#parts;
    const { reporter, shipper, store, running, metrics } = this;
    const { signToken = (claims: ExecutionClaims) => signExecutionToken(nodeKey, claims) } = this.#parts;
    return {
      ...{
        runtime,
        journal,
        results,
        signToken,
        hostFacts: this.#hostFacts,
        log,
        reporter,
        shipper,
        store,
      },
      node: settings.node,
      limits: settings.limits,
      queue: (name) => this.#queues.get(name),
      onPrepared: (attemptId) => running.prepared(attemptId),
      onExit: (attemptId) => running.exited(attemptId),
      onOutcome: (update) => metrics.outcome(update),
    };
  }

  /** Starts everything in the background; what is missing shows in the gate's obstacles. */
  start(): void {
    const living = this.#living.signal;
    const { settings } = this.#parts;
    this.#every(HEARTBEAT_MS, 'the heartbeat', () => this.heartbeat());
    this.#loops.push(this.reporter.run(living), this.shipper.run(living), this.leases.run(living));
    this.#every(READINESS_MS, 'the readiness check', () => this.upkeep.checkReadiness(living));
    this.#every(REFRESH_MS, 'reading the fleet’s wishes', () => this.#wishes.refresh());
    this.#every(settings.lockMs / 3, 'looking for cancels', () => this.#wishes.lookForCancels());
    this.#every(FORECAST_MS, 'looking at what waits', () => this.#forecast());
    const { link } = this.#parts;
    link.listen({
      onMessage: (message) => this.#inBackground(this.#follow(message)),
      onQueuesChanged: () => this.#inBackground(this.#queues.refresh()),
      onConnected: () => this.#inBackground(this.#wishes.refresh()),
      onError: this.#warn('listening to the fleet failed'),
    });
    // Locks that were in doubt are not left so until their next turn.
    link.onReachable(() => this.#inBackground(this.leases.renew(living)));
    this.#loops.push(this.#recover());
  }

  async #follow(message: ControlMessage): Promise<void> {
    if (message.type !== 'reconcile') return this.#wishes.follow(message);
    if (message.node !== this.name) return;
    await this.store.answer(message.question, await this.upkeep.reconcile(message));
  }

  /**
   * Takes no more jobs, lets those that run end for a while, leaves the rest to a successor, and says that the node has
   * stopped. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const { settings, log } = this.#parts;
    this.gate.set('stop', 'the worker is stopping');
    this.#claiming.abort();
    this.#inBackground(this.heartbeat());
    await this.running.drain(settings.drainMs);
    const left = await this.running.handOver(HAND_OVER_MS);
    if (left.length > 0) log.info({ attempts: left }, 'left running for the next start of this node');
    // The successor gets the whole time of the locks.
    await this.leases.renew(this.#living.signal);
    using limit = deadline(FLUSH_MS, 'the fleet does not answer');
    const flushed = this.reporter.flush(limit).catch(this.#warn('some reports are left for the next start'));
    const told = waitFor(this.heartbeat('stopped'), limit).catch(
      this.#warn('the fleet could not be told that this node stops'),
    );
    await Promise.all([flushed, told]);
    await this.#end();
  }

  /** Stops as a killed process does: nothing is said to anybody, everything stays as it is. For tests. */
  crash(): Promise<void> {
    // Not awaited: a test may have stopped an attempt for ever at the point of death.
    this.running.handOver(0).catch(() => undefined);
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    this.#claiming.abort();
    this.#living.abort();
    await Promise.all(this.#loops);
    // A connection that is just being made may never say that it has ended.
    using limit = deadline(CLOSE_MS, 'the queues could not be closed');
    await waitFor(this.#queues.close(), limit).catch(
      this.#warn('a connection is left to the end of the process'),
    );
  }

  async heartbeat(state?: 'stopped'): Promise<void> {
    const record = () => nodeRecordOf(this, this.#parts, { state, startedAt: this.#startedAt });
    await this.#name.report((before) => this.store.publishNode(record(), before));
  }

  /** Was the name reported so lately that nobody can have taken it since? */
  get isNameSure(): boolean {
    return this.#name.isSure;
  }

  /** Is the name surely this worker's? Asks when that was not heard for some time, as after a standstill. */
  async #isNameOurs(): Promise<boolean> {
    if (!this.#name.isSure) await this.heartbeat();
    return this.#name.isSure;
  }

  #startAttempt(claim: Claim, lease: Lease, place: Place): void {
    const { deps } = this;
    const attempt = openAttempt(claim, lease, deps);
    this.running.add(attempt, place, () => runJob(attempt, deps));
    // While it waits for its first answers.
    this.#parts.log.info({ attempt: claim.attemptId, queue: claim.queue }, 'claimed');
    this.metrics.claimed(claim);
  }

  /** Takes back what a former process left, then opens the gate, and looks for leftovers from then on. */
  async #recover(): Promise<void> {
    const { signal } = this.#living;
    const { deps, leases, slots, running } = this;
    await this.#name.settled(signal);
    this.#inBackground(this.heartbeat());
    await takeBackAll({ deps, leases, slots, running }, signal);
    if (signal.aborted) return;
    this.gate.set('start', undefined);
    const reconcile = async () => void (await this.upkeep.reconcile({ dryRun: false }));
    this.#every(RECONCILE_MS, 'reconciling', reconcile);
  }

  #createUpkeep(): Upkeep {
    const { runtime, settings, log } = this.#parts;
    const { gate, running, metrics } = this;
    const onReconciled = (removed: readonly string[]) => metrics.reconciled(removed);
    const name = { isOurs: () => this.#isNameOurs(), isSure: () => this.isNameSure };
    return new Upkeep({ ...settings, runtime, gate, name, running, log, onReconciled });
  }

  async #forecast(): Promise<void> {
    const queues = this.#queues.served.map((name) => this.#queues.get(name));
    this.#parts.runtime.forecast(await forecastFor(queues, { gate: this.gate, limit: this.slots.total }));
  }

  #serveQueue(queue: JobQueue, record: QueueRecord): void {
    const { log, settings } = this.#parts;
    const { gate, slots, leases } = this;
    log.info({ queue: queue.name, pool: record.pool, requires: record.requires }, 'serving a queue');
    this.#loops.push(queue.watchStalled(this.#living.signal));
    const start = (claim: Claim, lease: Lease, place: Place) => this.#startAttempt(claim, lease, place);
    const onError = this.#warn('claiming failed; trying again');
    const parts = { queue, record, gate, slots, preparing: this.#preparing, leases, watch: this.#claims };
    const options = { node: settings.node, ...parts, isNameOurs: () => this.#isNameOurs(), start, onError };
    this.#loops.push(claimFrom(options, this.#claiming.signal));
  }

  /** An unanswered renewal means a dead link: TCP alone would take minutes to see it. */
  #renewalFailed(error: unknown): void {
    this.#parts.log.warn({ err: error }, 'locks could not be renewed');
    if (error instanceof DeadlineError) this.#parts.link.reconnect();
  }

  #createReporter(): Reporter {
    return new Reporter({
      results: this.#parts.results,
      onRefusedEpoch: (attemptId, answer) => this.running.supersede(attemptId, answer),
      onError: this.#warn('results does not take reports; trying again'),
    });
  }

  #createShipper(): Shipper {
    return new Shipper({
      send: (frames, signal) => this.#parts.results.sendLogs(frames, signal),
      isRefusal,
      isFault,
      onAcknowledged: (bytes) => this.metrics.acknowledged(bytes),
      onError: this.#warn('results does not take logs; trying again'),
    });
  }

  #createLeases(): Leases {
    return new Leases({
      lockMs: this.#parts.settings.lockMs,
      doubtMs: this.#parts.settings.limits.freezeMs,
      extend: (queue, held: readonly Held[]) => this.#queues.get(queue).extend(held),
      onError: (error) => this.#renewalFailed(error),
    });
  }

  #createQueues(): Queues {
    const { settings, link } = this.#parts;
    return new Queues({
      node: settings,
      list: () => this.store.queues(),
      open: (name) => link.openQueue(name),
      onServed: (queue, record) => this.#serveQueue(queue, record),
      onError: this.#warn('a queue could not be read'),
    });
  }

  #every(everyMs: number, name: string, run: () => Promise<void>): void {
    const { signal } = this.#living;
    const onError = this.#warn(`${name} failed; trying again`);
    // What a store that is away does not answer must not hold up the end.
    this.#loops.push(repeat(() => waitFor(run(), signal), { everyMs, signal, onError }));
  }

  #inBackground(work: Promise<void>): void {
    work.catch(this.#warn('a wish of the fleet could not be followed; it is read again'));
  }

  #warn(message: string): (error: unknown, attempt?: string) => void {
    return (error, attempt) => this.#parts.log.warn({ err: error, attempt }, message);
  }
}
