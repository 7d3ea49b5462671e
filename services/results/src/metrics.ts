import type { Metrics, Reading } from '@cronium/telemetry';
import { boundedLabel, MAX_POOLS } from '@cronium/telemetry';
import type { MiddlewareHandler } from 'hono';
import { sql } from 'kysely';
import type { Deps } from './deps.ts';
import { knownNodes } from './queue/nodes.ts';

/** Values that are read when a scrape asks. */
export function readFleet({ metrics, db, valkey, keys, changes }: Deps): void {
  metrics.readOne('results_live_readers', () => changes.listeners);
  metrics.readOne('events_waiting', () => valkey.xlen(keys.events));
  metrics.readOne('events_lag_seconds', async () => {
    const [oldest] = await valkey.xrange(keys.events, '-', '+', 'COUNT', 1);
    // An entry's id begins with its time, and entries leave the stream when they are stored.
    return oldest === undefined ? 0 : Math.max(0, Date.now() - Number(oldest[0].split('-')[0])) / 1000;
  });
  metrics.readOne('database_bytes', async () => {
    const { rows } = await sql<{
      bytes: string;
    }>`SELECT pg_database_size(current_database()) AS bytes`.execute(db);
    return Number(rows[0]?.bytes);
  });
  readNodes(metrics, () => knownNodes(valkey, keys));
}

const NODE_STATES = ['ready', 'not_ready', 'draining', 'stopped', 'gone'] as const;
type Nodes = Awaited<ReturnType<typeof knownNodes>>;

function readNodes(metrics: Metrics, nodes: () => Promise<Nodes>): void {
  const bounded = boundedLabel(MAX_POOLS);
  const byPool = async (value: (node: Nodes[number]) => number): Promise<Reading<'pool_slots'>> => {
    const sums = new Map<string, number>();
    for (const node of await nodes()) {
      if (node.state !== 'ready' || node.drained) continue;
      for (const pool of node.pools) sums.set(bounded(pool), (sums.get(bounded(pool)) ?? 0) + value(node));
    }
    return [...sums].map(([pool, sum]) => ({ labels: { pool }, value: sum }));
  };
  metrics.read('workers', async () => {
    const states = (await nodes()).map((node) =>
      node.drained && node.state === 'ready' ? 'draining' : node.state,
    );
    return NODE_STATES.map((state) => ({
      labels: { state },
      value: states.filter((one) => one === state).length,
    }));
  });
  metrics.read('pool_slots', () => byPool(({ slots }) => slots));
  metrics.read('pool_slots_busy', () => byPool(({ busy }) => busy));
}

/** Counts and times each request. */
export function countRequests(metrics: Metrics): MiddlewareHandler {
  const requests = metrics.counter('results_requests_total');
  const seconds = metrics.histogram('results_request_seconds');
  return async (c, next) => {
    const end = seconds.startTimer({ method: c.req.method });
    await next();
    end();
    requests.inc({ method: c.req.method, status: String(c.res.status) });
  };
}

/** What is counted while reports and logs are stored. */
export function createIntakeMetrics(metrics: Metrics) {
  return {
    updates: metrics.counter('attempt_updates_total'),
    logBytes: metrics.counter('log_stored_bytes_total'),
    logLines: metrics.counter('log_stored_lines_total'),
    logLag: metrics.histogram('log_store_lag_seconds'),
  };
}
