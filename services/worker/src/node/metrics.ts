import { statfs } from 'node:fs/promises';
import { ATTEMPT_SPANS, type AttemptUpdate, notBefore } from '@cronium/contracts';
import { boundedLabel, createMetrics, MAX_POOLS, type Metrics } from '@cronium/telemetry';
import type { Claim } from '../claim/claim.ts';
import type { CallObserver } from '../sandbox/docker.ts';
import type { WorkerNode } from './worker-node.ts';

/** What a worker counts. */
export interface WorkerMetrics {
  readonly registry: Metrics;
  claimed(claim: Claim): void;
  outcome(update: AttemptUpdate): void;
  /** Results has stored so many compressed bytes of logs. */
  acknowledged(bytes: number): void;
  /** A reconciliation removed these, each by its kind and name. */
  reconciled(removed: readonly string[]): void;
}

/** The metrics of one node; gauges are read from it at each scrape. */
export function createWorkerMetrics(
  node: WorkerNode,
  { registry = createMetrics('worker'), stateDir }: { registry?: Metrics; stateDir?: string },
): WorkerMetrics {
  readGauges(registry, node);
  if (stateDir !== undefined) readDisk(registry, stateDir);
  const claims = registry.counter('claims_total');
  const losses = registry.counter('lost_attempts_total');
  const waits = registry.histogram('queue_wait_seconds');
  const outcomes = registry.counter('attempts_total');
  const seconds = registry.histogram('attempt_phase_seconds');
  const starts = registry.counter('starts_total');
  const logBytes = registry.counter('log_bytes_total');
  const rounds = registry.counter('reconciliations_total');
  const orphans = registry.counter('reconciled_total');
  const bounded = boundedLabel(MAX_POOLS);
  return {
    registry,
    acknowledged: (bytes) => logBytes.inc(bytes),
    reconciled: (removed) => {
      rounds.inc();
      for (const name of removed) orphans.inc({ kind: name.split(' ')[0] ?? '' });
    },
    claimed: ({ payload, lostAttempts, claimedAt }) => {
      const pool = bounded(payload.spec.pool);
      const { acceptedAt, spec, postponed, history } = payload;
      claims.inc({ pool });
      losses.inc(lostAttempts.length);
      // A later attempt, or one that was put back, has waited for more than the queue.
      if (postponed > 0 || history !== undefined) return;
      const from = notBefore(spec, acceptedAt) ?? acceptedAt;
      waits.observe({ pool }, Math.max(0, claimedAt - from) / 1000);
    },
    outcome: (update) => {
      const { state = update.state, death } = update.outcome ?? {};
      outcomes.inc({ state, cause: death?.cause ?? 'none' });
      const start = update.timeline.find(({ moment }) => moment === 'start_ended');
      if (start !== undefined) starts.inc({ kind: start.attributes?.start === 'warm' ? 'warm' : 'cold' });
      for (const [phase, from, to] of PHASES) {
        const took = between(update, from, to);
        if (took !== undefined) seconds.observe({ phase }, took);
      }
    },
  };
}

/** Counts the calls of the Docker daemon. */
export function countDockerCalls(registry: Metrics): CallObserver {
  const calls = registry.counter('docker_calls_total');
  const seconds = registry.histogram('docker_call_seconds');
  return ({ call, result, milliseconds }) => {
    calls.inc({ call, result });
    seconds.observe({ call }, milliseconds / 1000);
  };
}

function readGauges(registry: Metrics, node: WorkerNode): void {
  registry.readOne('slots', () => node.slots.total);
  registry.readOne('slots_busy', () => node.slots.busy);
  registry.readOne('ready', () => (node.gate.obstacles().length === 0 ? 1 : 0));
  registry.readOne('attempts_unreported', () => node.running.backlog);
  registry.readOne('jobs_in_doubt', () => node.leases.doubted);
  registry.readOne('updates_pending', () => node.reporter.pending);
  registry.readOne('updates_set_aside', () => node.reporter.setAside);
  registry.readOne('logs_set_aside', () => node.shipper.setAside);
  registry.readOne('log_pending_bytes', () => node.shipper.pendingBytes);
  registry.readOne('log_lag_seconds', () => node.shipper.lagMs(Date.now()) / 1000);
}

function readDisk(registry: Metrics, folder: string): void {
  registry.readOne('disk_free_bytes', async () => {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  });
  registry.readOne('disk_size_bytes', async () => {
    const { blocks, bsize } = await statfs(folder);
    return blocks * bsize;
  });
}

/** From a moment to the latest of others: the parts of the preparation overlap. */
const PHASES: readonly (readonly [phase: string, from: string, to: readonly string[]])[] = [
  ['prepare', 'claimed', ['start_ended', 'sidecar_ended']],
  ...ATTEMPT_SPANS.map(({ name, begins, ends }) => [name, begins, [ends]] as const),
];

function between({ timeline }: AttemptUpdate, from: string, to: readonly string[]): number | undefined {
  const begin = timeline.find(({ moment }) => moment === from)?.at;
  const ends = timeline.filter(({ moment }) => to.includes(moment)).map(({ at }) => at);
  if (begin === undefined || ends.length === 0) return undefined;
  return Math.max(0, Math.max(...ends) - begin) / 1000;
}
