import { Hono } from 'hono';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { knownNodes } from '../queue/nodes.ts';

/** How a pool stands, and how many nodes it wants. */
export interface PoolScaling {
  readonly pool: string;
  readonly waiting: number;
  readonly active: number;
  readonly nodes: number;
  readonly slots: number;
  /** Nodes of the usual size that would run all of it at once. An autoscaler puts its own bounds on it. */
  readonly wantedNodes: number;
}

const SLOTS_OF_UNKNOWN = 4;

/** `GET /v1/scaling`. Delayed jobs want no node yet. */
export function scalingRoutes({ valkey, keys, queues }: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/', async (c) => {
    const demand = new Map<string, { waiting: number; active: number }>();
    for (const [name, { pool }] of await queues.registered()) {
      const {
        waiting = 0,
        prioritized = 0,
        active = 0,
      } = await queues.queue(name).getJobCounts('waiting', 'prioritized', 'active');
      const sum = demand.get(pool) ?? { waiting: 0, active: 0 };
      sum.waiting += waiting + prioritized;
      sum.active += active;
      demand.set(pool, sum);
    }
    const nodes = (await knownNodes(valkey, keys)).filter(
      ({ state }) => state === 'ready' || state === 'not_ready',
    );
    for (const pool of nodes.flatMap((node) => node.pools)) {
      if (!demand.has(pool)) demand.set(pool, { waiting: 0, active: 0 });
    }
    const pools = [...demand].map(([pool, { waiting, active }]): PoolScaling => {
      const own = nodes.filter((node) => node.pools.includes(pool));
      const slots = own.reduce((total, node) => total + node.slots, 0);
      const each = own.length > 0 && slots > 0 ? slots / own.length : SLOTS_OF_UNKNOWN;
      return {
        pool,
        waiting,
        active,
        nodes: own.length,
        slots,
        wantedNodes: Math.ceil((waiting + active) / each),
      };
    });
    return c.json({ pools: pools.sort((a, b) => (a.pool < b.pool ? -1 : 1)) });
  });
  return app;
}
