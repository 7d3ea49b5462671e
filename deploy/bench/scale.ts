import { rmSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { CroniumClient } from '@cronium/client';
import type { JobInput } from '@cronium/contracts';
import { type Fleet, startFleet } from '../local/fleet.ts';
import type { Figure } from './figure.ts';
import { median } from './measure.ts';
import { residentBytes } from './resident.ts';

export interface ScaleOptions {
  readonly home: string;
  readonly portBase: number;
  readonly runs: number;
  /** The largest number of workers; 1, 2, 4, … are measured up to it. */
  readonly workers: number;
  /** How many sleeping jobs one worker is to hold; 0 for none. */
  readonly sleepers: number;
  say(line: string): void;
}

const SLOTS = 2;
/** Each slot runs so many jobs, one after the other. */
const JOBS_EACH = 2;
/** All the workers share this machine's processors: long, so that the starts of their containers are a small part. */
const SLEEP_SECONDS = 40;
const LOOK_MS = 500;

const sleeping = (seconds: number): JobInput => ({
  type: 'script',
  script: { language: 'bash', source: `sleep ${seconds}` },
  timeoutSeconds: seconds + 600,
});

/** How throughput grows with the workers, by jobs that need no processor, and what one worker can hold of them. */
export async function measureScale(options: ScaleOptions): Promise<Figure[]> {
  const counts = [1, 2, 4, 8, 16].filter((count) => count <= options.workers);
  const rates = new Map<number, number[]>();
  for (let run = 1; run <= options.runs; run++) {
    for (const count of counts) {
      options.say(`scale: run ${run} of ${options.runs}, ${count} workers`);
      rates.set(count, [...(rates.get(count) ?? []), await rateOf(count, options)]);
    }
  }
  const alone = rates.get(1) ?? [];
  const figures = counts.slice(1).map((count): Figure => {
    const runs = rates.get(count) ?? [];
    const linear = alone.map((rate) => rate * count);
    return {
      ...{ name: `sleeping jobs, ${count} workers`, unit: 'jobs/s', value: median(runs), runs },
      baseline: { name: `${count} x one worker`, value: median(linear), runs: linear },
      target: { of: 'ratio', atLeast: 0.9 },
    };
  });
  return options.sleepers === 0 ? figures : [...figures, ...(await measureSleepers(options))];
}

/** Jobs a second of a fleet whose slots are all full, from the submit until everything is stored. */
async function rateOf(workers: number, options: ScaleOptions): Promise<number> {
  await using fleet = await freshFleet({ ...options, workers }, { CRONIUM_SLOTS: String(SLOTS) });
  const client = clientOf(fleet);
  const count = workers * SLOTS * JOBS_EACH;
  const startedAt = performance.now();
  const { batchId } = await client.submitBatch(Array.from({ length: count }, () => sleeping(SLEEP_SECONDS)));
  const { counts } = await client.waitForBatch(batchId);
  if (counts.succeeded !== count) throw new Error(`of ${count} jobs ended: ${JSON.stringify(counts)}`);
  return count / ((performance.now() - startedAt) / 1000);
}

/** Fills one worker with jobs that sleep until all of them run at once, and ends them. */
async function measureSleepers(options: ScaleOptions): Promise<Figure[]> {
  const { sleepers, say } = options;
  say(`scale: ${sleepers} sleeping jobs on one worker`);
  await using fleet = await freshFleet({ ...options, workers: 1 }, { CRONIUM_SLOTS: String(sleepers) });
  const client = clientOf(fleet);
  const pid = fleet.local.processes.workers[0]?.pid ?? Number.NaN;
  const idle = await residentBytes(pid);
  const startedAt = performance.now();
  const { batchId } = await client.submitBatch(Array.from({ length: sleepers }, () => sleeping(3600)));
  for (;;) {
    const { counts } = await client.batch(batchId);
    if (counts.running === sleepers) break;
    const ended = (counts.succeeded ?? 0) + (counts.failed ?? 0) + (counts.lost ?? 0);
    if (ended > 0) throw new Error(`of ${sleepers} sleeping jobs some ended: ${JSON.stringify(counts)}`);
    await pause(LOOK_MS);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const full = await residentBytes(pid);
  await client.cancelBatch(batchId);
  const { counts } = await client.waitForBatch(batchId);
  if (counts.cancelled !== sleepers) throw new Error(`of ${sleepers} cancelled: ${JSON.stringify(counts)}`);
  const one = (name: string, unit: string, value: number): Figure => ({ name, unit, value, runs: [value] });
  return [
    { ...one('sleeping jobs on one worker', 'jobs', sleepers), target: { of: 'value', atLeast: 200 } },
    one('until all of them ran', 's', seconds),
    one('worker, memory for each', 'MB', (full - idle) / 1e6 / sleepers),
  ];
}

const clientOf = ({ local: { producerUrl, resultsUrl, apiKey } }: Fleet) =>
  new CroniumClient({ producerUrl, resultsUrl, apiKey });

function freshFleet(
  { home, portBase, workers, say }: ScaleOptions,
  env: Readonly<Record<string, string>>,
): Promise<Fleet> {
  rmSync(`${home}/data`, { recursive: true, force: true });
  return startFleet({ env: { ...process.env, ...env }, report: say, workers, portBase, home });
}
