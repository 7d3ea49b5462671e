import type { OverviewBucket, OverviewView, Quantiles, TerminalState } from '@cronium/contracts';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { readQuery } from '../http/body.ts';
import { type TallyWindow, talliesOfTime } from '../queries/tallies.ts';
import { type Steps, Tallies } from '../queries/tally-counts.ts';
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

function windowOf(tenant: string, minutes: number): TallyWindow {
  const spanMs = minutes * MINUTE_MS;
  const bucketMs = BUCKETS_MS.find((ms) => spanMs / ms <= MOST_BUCKETS) ?? BUCKETS_MS.at(-1) ?? spanMs;
  const toMs = Math.ceil((Date.now() + 1) / bucketMs) * bucketMs;
  return { tenant, bucketMs, toMs, fromMs: toMs - Math.ceil(spanMs / bucketMs) * bucketMs };
}

async function overview(deps: Deps, window: TallyWindow): Promise<OverviewView> {
  const [slices, now] = await Promise.all([talliesOfTime(deps.db, window), present(deps)]);
  const all = new Tallies();
  for (const slice of slices.values()) all.add(slice);
  const { fromMs: from, toMs: to, bucketMs } = window;
  return {
    from,
    to,
    bucketMs,
    buckets: bucketsOf(window, slices, now.waiting),
    totals: { accepted: all.of('accepted'), ...endsOf(all) },
    causes: causesOf(all),
    now,
  };
}

/** What waited at the end of each slice follows from what waits now and from what came and went since. */
function bucketsOf(
  { fromMs, toMs, bucketMs }: TallyWindow,
  slices: ReadonlyMap<number, Tallies>,
  waitingNow: number,
): OverviewBucket[] {
  const none = new Tallies();
  const buckets: OverviewBucket[] = [];
  let waiting = waitingNow;
  for (let index = Math.round((toMs - fromMs) / bucketMs) - 1; index >= 0; index--) {
    const own = slices.get(index) ?? none;
    const accepted = own.of('accepted');
    buckets.push({
      at: fromMs + index * bucketMs,
      accepted,
      waiting: Math.max(0, waiting),
      ...endsOf(own),
    });
    waiting += own.of('taken') - accepted;
  }
  return buckets.reverse();
}

function endsOf(tallies: Tallies): Pick<OverviewBucket, 'ended' | 'start' | 'run'> {
  const ended = (state: TerminalState) => tallies.of(`ended:${state}`);
  const quantiles = (steps: Steps): Quantiles => ({ p50: steps.quantile(0.5), p95: steps.quantile(0.95) });
  return {
    ended: {
      succeeded: ended('succeeded'),
      failed: ended('failed'),
      timed_out: ended('timed_out'),
      cancelled: ended('cancelled'),
      lost: ended('lost'),
    },
    start: quantiles(tallies.start),
    run: quantiles(tallies.run),
  };
}

const MOST_CAUSES = 12;

/** What jobs ended of, if not well; the most frequent first. */
function causesOf(tallies: Tallies): OverviewView['causes'] {
  return [...tallies.allOf('cause')]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, MOST_CAUSES)
    .map(([what, jobs]) => {
      const [state = '', cause = ''] = what.split(':');
      return { state: state as TerminalState, cause: cause === '' ? null : cause, jobs };
    });
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
