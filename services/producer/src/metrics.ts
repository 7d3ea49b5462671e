import type { QueueCounts } from '@cronium/contracts';
import { boundedLabel, createMetrics, MAX_POOLS } from '@cronium/telemetry';
import { countQueues } from './queue/counts.ts';
import type { FleetQueues } from './queue/queues.ts';

/** What the producer counts. */
export type Metrics = ReturnType<typeof createProducerMetrics>;

/** The producer's metrics, in a registry of their own. Queues are looked at when a scrape asks. */
export function createProducerMetrics(queues: FleetQueues) {
  const metrics = createMetrics('producer');
  readQueues(metrics, queues);
  return {
    text: () => metrics.text(),
    contentType: metrics.contentType,
    jobs: metrics.counter('producer_jobs_accepted_total'),
    rejected: metrics.counter('producer_jobs_rejected_total'),
    requests: metrics.counter('producer_requests_total'),
    seconds: metrics.histogram('producer_request_seconds'),
    uploads: metrics.gauge('producer_uploads'),
  };
}

/** How long a look at all queues is good for: several gauges of a scrape share it. */
const FRESH_MS = 1000;

function readQueues(metrics: ReturnType<typeof createMetrics>, queues: FleetQueues): void {
  const bounded = boundedLabel(MAX_POOLS);
  let seen: { readonly at: number; readonly counts: Promise<QueueCounts> } | undefined;
  const pools = async () => {
    if (seen === undefined || performance.now() - seen.at > FRESH_MS) {
      seen = { at: performance.now(), counts: countQueues(queues) };
    }
    return Map.groupBy((await seen.counts).queues, ({ pool }) => bounded(pool));
  };
  metrics.read('queue_jobs', async () =>
    [...(await pools())].flatMap(([pool, list]) =>
      (['waiting', 'delayed', 'active'] as const).map((state) => ({
        labels: { pool, state },
        value: list.reduce((sum, queue) => sum + queue[state], 0),
      })),
    ),
  );
  metrics.read('queue_oldest_seconds', async () =>
    [...(await pools())].map(([pool, list]) => ({
      labels: { pool },
      value: Math.max(...list.map(({ oldestSeconds }) => oldestSeconds ?? 0)),
    })),
  );
  metrics.read('pool_paused', async () =>
    [...(await pools())].map(([pool, list]) => ({
      labels: { pool },
      value: list.some(({ paused }) => paused) ? 1 : 0,
    })),
  );
}
