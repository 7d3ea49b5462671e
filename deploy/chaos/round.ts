import { setTimeout as pause } from 'node:timers/promises';
import { CroniumApiError } from '@cronium/client';
import { jobPage, LABEL } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import type { Worker } from '../test/e2e/harness.ts';
import type { Bed } from './bed.ts';
import { Breaker } from './breaker.ts';
import { countEffects } from './effects.ts';
import { FAULTS } from './faults.ts';
import { type ChaosJob, logJobs } from './jobs.ts';
import { launchesIn } from './life-book.ts';
import { Load } from './load.ts';
import { Monitor } from './monitor.ts';
import type { RoundPlan } from './options.ts';
import { planFaults } from './plan.ts';
import { Random } from './random.ts';
import { type Ended, judge, type Verdict } from './verdict.ts';

export interface RoundOptions extends RoundPlan {
  /** Receives the story of the round, a line at a time. */
  say(line: string): void;
}

/** What a round did, and what is held against the fleet. */
export interface RoundReport extends Verdict {
  readonly seed: number;
  readonly accepted: number;
  readonly containers: number;
  readonly faults: Readonly<Record<string, number>>;
  /** What is left in Docker after the quiet. */
  readonly orphans: readonly string[];
  readonly contradictions: readonly string[];
  /** Processes that did not end or start as they should. */
  readonly failures: readonly string[];
  /** What `cronium audit` still names after the quiet. */
  readonly discrepancies: readonly string[];
  readonly settledMs: number;
}

/** What may stand between a log and its place. */
const LOG_FAULTS: ReadonlySet<string> = new Set(
  ['worker 1', 'worker 2', 'results', 'PostgreSQL'].map((target) => `SIGKILL ${target}`),
);
const GAP_MS = [800, 4000] as const;
const MOST_OPEN = 20;
/** On a busy machine a job may take long; one that does not move for so long is stuck. */
const STANDSTILL_MS = 120_000;
const QUIET_MS = 60_000;
const LOOK_MS = 500;
const AT_ONCE = 20;
const OPEN_STATES = 'queued,claimed,preparing,running,draining';

/** Breaks a bed for a while under load, mends it, waits until it is quiet, and judges what came of it. */
export async function runRound(
  bed: Bed,
  { seed, durationMs, load, say }: RoundOptions,
): Promise<RoundReport> {
  const random = new Random(seed);
  const faults = load === 'logs' ? FAULTS.filter(({ name }) => LOG_FAULTS.has(name)) : FAULTS;
  const plan = planFaults(random.fork(), { faults, durationMs, gapMs: GAP_MS });
  const { workers } = bed;
  await using effects = await countEffects(bed.effects);
  const monitors = workers.map(({ host, node }) => new Monitor(host.docker, node));
  const watching = new AbortController();
  const watched = monitors.map((monitor) => monitor.run(watching.signal));
  const interfered = new Set<string>();
  const breaker = new Breaker(bed, { random: random.fork(), interfered }, say);
  const { accepted, contradictions } = await loadAndBreak(bed, {
    random,
    durationMs,
    load,
    run: () => breaker.run(plan, durationMs),
  });
  say(`${accepted.size} jobs were accepted; waiting for their ends`);
  // A daemon that could not start again on a busy machine is started once more: it is the bed, not what is tested.
  await bed.engine.start();
  const { producer, results } = bed.fleet;
  await Promise.all([producer, results, ...workers].map((service) => service.ready()));
  const mendedMs = performance.now();
  await settle(bed, say);
  const settledMs = Math.round(performance.now() - mendedMs);
  const jobs = await endsOf(bed, accepted);
  const orphans = await leftAfterQuiet(async () => (await Promise.all(workers.map(jobObjects))).flat());
  // The queue hears of an end after results: from a worker that was away then, or when its lock has run out.
  const discrepancies = await leftAfterQuiet(async () => (await bed.fleet.client.accounts()).discrepancies);
  watching.abort();
  await Promise.all(watched);
  const launches = workers.flatMap((worker) => launchesIn(worker.lines()));
  const lives = monitors.flatMap((monitor) => monitor.livesOf(launches));
  return {
    ...judge({ jobs, lives, marks: effects.marks, away: breaker.away(), interfered }),
    ...{ seed, accepted: accepted.size, containers: lives.length, orphans, contradictions, settledMs },
    discrepancies: discrepancies.map(({ kind, message }) => `${kind}: ${message}`),
    faults: Object.fromEntries(breaker.made),
    failures: breaker.failures,
  };
}

interface Breaking extends Pick<RoundPlan, 'durationMs' | 'load'> {
  readonly random: Random;
  run(): Promise<void>;
}

async function loadAndBreak(
  bed: Bed,
  { random, durationMs, load: name, run }: Breaking,
): Promise<Pick<Load, 'accepted' | 'contradictions'>> {
  const { fleet } = bed;
  const load = new Load({
    producerUrl: fleet.producer.url,
    apiKey: fleet.facts.apiKey,
    effects: bed.effects,
  });
  if (name === 'logs') {
    await load.all(logJobs(random.fork()), random);
    await run();
    return load;
  }
  const loading = new AbortController();
  const open = openCounter(bed);
  const loaded = load.run({ random: random.fork(), signal: loading.signal, open, mostOpen: MOST_OPEN });
  const stopLoad = pause(durationMs).then(() => loading.abort());
  await Promise.all([run(), stopLoad]);
  await loaded;
  return load;
}

/** How many jobs are open, as far as results says; the last known number while it is away. */
function openCounter(bed: Bed): () => Promise<number> {
  let known = 0;
  return async () => {
    try {
      const response = await bed.fleet.request(`/v1/jobs?state=${OPEN_STATES}&limit=500`, {
        signal: AbortSignal.timeout(2000),
      });
      if (response.ok) known = jobPage.parse(await response.json()).jobs.length;
    } catch {
      // Results is broken at the moment.
    }
    return known;
  };
}

/** Waits until no job is open any more; goes on when nothing moves any more: the verdict names those that are open. */
async function settle(bed: Bed, say: RoundOptions['say']): Promise<void> {
  let before = '';
  const hasSettled = async () => {
    const response = await bed.fleet.request(`/v1/jobs?state=${OPEN_STATES}&limit=500`);
    if (!response.ok) return false;
    const { jobs } = jobPage.parse(await response.json());
    const now = jobs.map(({ id, state, attempts }) => `${id} ${state} ${attempts}`).join();
    const isStill = now === before;
    before = now;
    return jobs.length === 0 || !isStill ? { open: jobs.length } : false;
  };
  const options = { what: 'a job moves', timeoutMs: STANDSTILL_MS, everyMs: LOOK_MS };
  try {
    while ((await eventually(hasSettled, options)).open > 0);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
  }
}

/** A few at a time: results has other things to do, and long logs. */
async function endsOf(bed: Bed, accepted: ReadonlyMap<string, ChaosJob>): Promise<Ended[]> {
  const all = [...accepted];
  const ends: Ended[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE)
    ends.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(([id, job]) => endOf(bed, id, job)))));
  return ends;
}

async function endOf({ fleet }: Bed, id: string, job: ChaosJob): Promise<Ended> {
  const log = (stream: string) =>
    fleet.log(id, { stream }).catch((error: Error) => Buffer.from(`no log: ${error.message}`));
  const view = fleet.client.job(id).catch((error) => {
    if (error instanceof CroniumApiError && error.status === 404) return undefined;
    throw error;
  });
  return { id, job, view: await view, stdout: await log('stdout'), stderr: await log('stderr') };
}

/** What does not go within the quiet. */
async function leftAfterQuiet<T>(find: () => Promise<readonly T[]>): Promise<readonly T[]> {
  const endsAt = performance.now() + QUIET_MS;
  for (;;) {
    const left = await find();
    if (left.length === 0 || performance.now() >= endsAt) return left;
    await pause(LOOK_MS);
  }
}

/** What carries the labels of a node's jobs. */
async function jobObjects({ host: { docker }, node }: Worker): Promise<string[]> {
  const filters = { label: [`${LABEL.node}=${node}`, LABEL.job] };
  const [containers, networks] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
  ]);
  return [
    ...containers.map(({ Names, State }) => `${node}: container ${Names[0]?.slice(1)} (${State})`),
    ...networks.map(({ Name }) => `${node}: network ${Name}`),
  ];
}
