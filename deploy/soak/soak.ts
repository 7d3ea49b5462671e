import { setTimeout as pause } from 'node:timers/promises';
import { LABEL } from '@cronium/contracts';
import { Redis } from 'ioredis';
import type { TestFleet } from '../test/e2e/harness.ts';
import { bash } from '../test/e2e/jobs.ts';
import { type ProcessSample, type Series, sampleProcess } from './sample.ts';

/** All that is looked at, at one moment. */
interface Moment {
  readonly processes: Readonly<Record<string, ProcessSample>>;
  readonly dockerObjects: number;
  readonly keys: number;
}

/** What was seen during a soak. */
export interface Soak {
  readonly moments: readonly Moment[];
  readonly succeeded: number;
  /** Keys in Valkey that ought to expire by themselves and have no time for it. */
  readonly endless: readonly string[];
  charts(): Record<string, Series[]>;
}

const EVERY_MS = 1000;
const BATCH = 500;
/**
 * What expires by itself: each run of a program leaves a revocation for as long as its token would be good, each batch whose
 * it is for a week.
 */
const EXPIRING = /:(?:revoked|batch):/;

/** Runs so many jobs and looks every second at what the fleet's processes and stores hold, from before the first to after the last. */
export async function soak(fleet: TestFleet, jobs: number): Promise<Soak> {
  const valkey = new Redis(fleet.facts.valkeyUrl, { lazyConnect: true });
  await valkey.connect();
  const over = new AbortController();
  const moments: Moment[] = [];
  const looking = (async () => {
    while (!over.signal.aborted) {
      moments.push(await look(fleet, valkey));
      await pause(EVERY_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
    moments.push(await look(fleet, valkey));
  })();
  try {
    const succeeded = await runAll(fleet, jobs);
    over.abort();
    await looking;
    const endless = await endlessKeys(valkey, prefixOf(fleet));
    return { moments, succeeded, endless, charts: () => chartsOf(moments) };
  } finally {
    over.abort();
    valkey.disconnect();
  }
}

async function runAll(fleet: TestFleet, jobs: number): Promise<number> {
  let succeeded = 0;
  for (let done = 0; done < jobs; done += BATCH) {
    const some = Array.from({ length: Math.min(BATCH, jobs - done) }, (_, n) => bash(`echo job ${done + n}`));
    const { batchId } = await fleet.client.submitBatch(some);
    const view = await fleet.client.waitForBatch(batchId, { timeoutMs: 3_600_000 });
    succeeded += view.counts.succeeded ?? 0;
  }
  return succeeded;
}

async function look(fleet: TestFleet, valkey: Redis): Promise<Moment> {
  const services = [fleet.producer, fleet.results, ...fleet.workers];
  const processes: Record<string, ProcessSample> = {};
  for (const [index, { pid }] of services.entries()) {
    const name = index < 2 ? (['producer', 'results'][index] ?? '') : `worker ${index - 1}`;
    processes[name] = await sampleProcess(pid);
  }
  const { docker } = fleet.host;
  const filters = { label: [LABEL.managed] };
  const [containers, networks] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
  ]);
  const nodes = new Set(fleet.workers.map(({ node }) => node));
  const own = [...containers, ...networks].filter(({ Labels }) => nodes.has(Labels?.[LABEL.node] ?? ''));
  return {
    processes,
    dockerObjects: own.length,
    keys: await countKeys(valkey, prefixOf(fleet)),
  };
}

const prefixOf = ({ facts }: TestFleet) => facts.env.CRONIUM_PREFIX ?? '';

async function endlessKeys(valkey: Redis, prefix: string): Promise<string[]> {
  const endless: string[] = [];
  for await (const key of keysOf(valkey, prefix))
    if (EXPIRING.test(key) && (await valkey.pttl(key)) === -1) endless.push(key);
  return endless;
}

async function countKeys(valkey: Redis, prefix: string): Promise<number> {
  let count = 0;
  for await (const key of keysOf(valkey, prefix)) if (!EXPIRING.test(key)) count++;
  return count;
}

async function* keysOf(valkey: Redis, prefix: string): AsyncGenerator<string> {
  for await (const keys of valkey.scanStream({ match: `${prefix}*`, count: 1000 })) yield* keys as string[];
}

function chartsOf(moments: readonly Moment[]): Record<string, Series[]> {
  const names = Object.keys(moments[0]?.processes ?? {});
  const of = (field: keyof ProcessSample) =>
    names.map((name) => ({ name, values: moments.map(({ processes }) => processes[name]?.[field] ?? 0) }));
  return {
    'Memory (MiB)': of('memoryMiB'),
    'Open handles': of('handles'),
    Sockets: of('sockets'),
    'Docker objects': [{ name: 'all', values: moments.map(({ dockerObjects }) => dockerObjects) }],
    'Keys in Valkey (without those that expire)': [{ name: 'all', values: moments.map(({ keys }) => keys) }],
  };
}
