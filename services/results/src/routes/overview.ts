import type { OverviewBucket, OverviewView, Quantiles } from '@cronium/contracts';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { readQuery } from '../http/body.ts';
import {
  type EndedSlice,
  endedSlices,
  failureCauses,
  type OverviewWindow,
  type QueueSlice,
  queueSlices,
} from '../queries/overview.ts';
import { knownNodes } from '../queue/nodes.ts';

const MINUTE_MS = 60_000;
const MOST_BUCKETS = 60;
/** Slices of round lengths, so that they stay where they are while time goes on. */
const BUCKETS_MS = [5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 10_800, 21_600].map((s) => s * 1000);
const WEEK_MINUTES = 7 * 24 * 60;
/** Everybody who looks within this time sees the same sums. */
const FRESH_MS = 1000;

export const overviewQuery = z.strictObject({
  minutes: z
    .string()
    .regex(/^[1-9]\d{0,4}$/, { error: 'must be a whole number from 1' })
    .transform(Number)
    .pipe(z.number().max(WEEK_MINUTES, { error: `must be at most ${WEEK_MINUTES}` }))
    .default(60),
});

/** `GET /v1/overview`. */
export function overviewRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  const recent = new Map<string, { readonly view: Promise<OverviewView>; readonly atMs: number }>();
  app.get('/', async (c) => {
    const { minutes } = readQuery(c, overviewQuery);
    const { tenant } = c.get('principal');
    const name = `${minutes} ${tenant}`;
    const known = recent.get(name);
    if (known !== undefined && performance.now() - known.atMs < FRESH_MS) return c.json(await known.view);
    for (const [old, { atMs }] of recent) if (performance.now() - atMs >= FRESH_MS) recent.delete(old);
    const view = overview(deps, windowOf(tenant, minutes));
    recent.set(name, { view, atMs: performance.now() });
    return c.json(await view);
  });
  return app;
}

function windowOf(tenant: string, minutes: number): OverviewWindow {
  const spanMs = minutes * MINUTE_MS;
  const bucketMs = BUCKETS_MS.find((ms) => spanMs / ms <= MOST_BUCKETS) ?? BUCKETS_MS.at(-1) ?? spanMs;
  const toMs = Math.ceil((Date.now() + 1) / bucketMs) * bucketMs;
  return { tenant, bucketMs, toMs, fromMs: toMs - Math.ceil(spanMs / bucketMs) * bucketMs };
}

async function overview(deps: Deps, window: OverviewWindow): Promise<OverviewView> {
  const { db } = deps;
  const [ended, queued, causes, now] = await Promise.all([
    endedSlices(db, window),
    queueSlices(db, window),
    failureCauses(db, window),
    present(deps),
  ]);
  const { fromMs: from, toMs: to, bucketMs } = window;
  const total = ended.find(({ bucket }) => bucket === null);
  return {
    from,
    to,
    bucketMs,
    buckets: bucketsOf(window, { ended, queued, waiting: now.waiting }),
    totals: {
      accepted: queued.reduce((sum, slice) => sum + slice.accepted, 0),
      ...endsOf(total),
    },
    causes: causes as OverviewView['causes'],
    now,
  };
}

/** What waited at the end of each slice follows from what waits now and from what came and went since. */
function bucketsOf(
  { fromMs, toMs, bucketMs }: OverviewWindow,
  known: { ended: readonly EndedSlice[]; queued: readonly QueueSlice[]; waiting: number },
): OverviewBucket[] {
  const ended = new Map(known.ended.map((slice) => [slice.bucket, slice]));
  const queued = new Map(known.queued.map((slice) => [slice.bucket, slice]));
  const buckets: OverviewBucket[] = [];
  let { waiting } = known;
  for (let index = Math.round((toMs - fromMs) / bucketMs) - 1; index >= 0; index--) {
    const { accepted = 0, taken = 0 } = queued.get(index) ?? {};
    buckets.push({
      at: fromMs + index * bucketMs,
      accepted,
      waiting: Math.max(0, waiting),
      ...endsOf(ended.get(index)),
    });
    waiting += taken - accepted;
  }
  return buckets.reverse();
}

function endsOf(slice: EndedSlice | undefined): Pick<OverviewBucket, 'ended' | 'start' | 'run'> {
  const { succeeded = 0, failed = 0, timed_out = 0, cancelled = 0, lost = 0 } = slice ?? {};
  return {
    ended: { succeeded, failed, timed_out, cancelled, lost },
    start: quantiles(slice?.start),
    run: quantiles(slice?.run),
  };
}

function quantiles(pair: EndedSlice['start'] | undefined): Quantiles {
  return { p50: pair?.[0] ?? null, p95: pair?.[1] ?? null };
}

async function present({ valkey, keys, queues }: Deps): Promise<OverviewView['now']> {
  const now = { waiting: 0, delayed: 0, active: 0 };
  for (const name of (await queues.registered()).keys()) {
    const counts = await queues.queue(name).getJobCounts('waiting', 'prioritized', 'delayed', 'active');
    now.waiting += (counts.waiting ?? 0) + (counts.prioritized ?? 0);
    now.delayed += counts.delayed ?? 0;
    now.active += counts.active ?? 0;
  }
  const nodes = (await knownNodes(valkey, keys)).filter(
    ({ state }) => state !== 'gone' && state !== 'stopped',
  );
  const ready = nodes.filter(({ state, drained }) => state === 'ready' && !drained);
  return {
    ...now,
    slots: ready.reduce((sum, node) => sum + node.slots, 0),
    busy: nodes.reduce((sum, node) => sum + node.busy, 0),
    nodes: { ready: ready.length, total: nodes.length },
  };
}
