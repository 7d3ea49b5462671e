import type { AttemptUpdate } from '@cronium/contracts';
import { createMetrics, type Metrics } from '@cronium/telemetry';
import type { Claim } from '../claim/claim.ts';
import type { WorkerNode } from './worker-node.ts';

/** What a worker counts. */
export interface WorkerMetrics {
  readonly registry: Metrics;
  claimed(claim: Claim): void;
  outcome(update: AttemptUpdate): void;
}

/** The metrics of one node; gauges are read from it at each scrape. */
export function createWorkerMetrics(node: WorkerNode): WorkerMetrics {
  const registry = createMetrics('worker');
  const claims = registry.counter({
    name: 'claims_total',
    help: 'Jobs taken from the queue.',
    labels: ['queue'],
  });
  const losses = registry.counter({
    name: 'lost_attempts_total',
    help: 'Attempts found lost with their node.',
  });
  const outcomes = registry.counter({
    name: 'attempts_total',
    help: 'Attempts that ended, by state and cause.',
    labels: ['state', 'cause'],
  });
  const seconds = registry.histogram({
    name: 'attempt_phase_seconds',
    help: 'How long the phases of attempts took.',
    labels: ['phase'],
  });
  const gauge = (name: string, help: string, value: () => number) =>
    registry.gauge({ name, help, collect: (one) => one.set(value()) });
  gauge('slots', 'Jobs that this node runs at once.', () => node.slots.total);
  gauge('slots_busy', 'Slots that are taken.', () => node.slots.busy);
  gauge(
    'attempts_unreported',
    'Ended attempts whose log or outcome is on its way.',
    () => node.running.backlog,
  );
  gauge(
    'log_pending_bytes',
    'Compressed log bytes that results has not acknowledged.',
    () => node.shipper.pendingBytes,
  );
  gauge(
    'jobs_in_doubt',
    'Jobs held still because their lock could not be renewed.',
    () => node.leases.doubted,
  );
  gauge('updates_pending', 'Attempts with something untold.', () => node.reporter.pending);
  gauge('ready', '1 while this node takes jobs.', () => (node.gate.obstacles().length === 0 ? 1 : 0));
  return {
    registry,
    claimed: ({ queue, lostAttempts }) => {
      claims.inc({ queue });
      losses.inc(lostAttempts.length);
    },
    outcome: (update) => {
      const { state = update.state, death } = update.outcome ?? {};
      outcomes.inc({ state, cause: death?.cause ?? 'none' });
      for (const [phase, from, to] of PHASES) {
        const took = between(update, from, to);
        if (took !== undefined) seconds.observe({ phase }, took);
      }
    },
  };
}

/** From a moment to the latest of others: the parts of the preparation overlap. */
const PHASES = [
  ['prepare', 'claimed', ['start_ended', 'sidecar_ended']],
  ['run', 'main_started', ['main_ended']],
  ['drain', 'drain_started', ['drain_ended']],
] as const;

function between({ timeline }: AttemptUpdate, from: string, to: readonly string[]): number | undefined {
  const begin = timeline.find(({ moment }) => moment === from)?.at;
  const ends = timeline.filter(({ moment }) => to.includes(moment)).map(({ at }) => at);
  if (begin === undefined || ends.length === 0) return undefined;
  return Math.max(0, Math.max(...ends) - begin) / 1000;
}
