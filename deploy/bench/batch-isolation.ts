import type { CroniumClient } from '@cronium/client';
import type { JobInput, JobView } from '@cronium/contracts';
import type { Figure } from './figure.ts';
import { median, percentile } from './measure.ts';
import { lookAtProcessor, processorTable } from './processor.ts';
import { dockerRate } from './throughput.ts';

const JOB: JobInput = {
  type: 'script',
  script: { language: 'bash', source: 'true' },
  isolation: 'batch',
};
const DOCKER_RUNS = 40;
const WIDTH = 8;
/** So many jobs of a run are looked at one by one. */
const SAMPLED = 200;

/** What one run of a batch gave. */
export interface BatchRun {
  /** Some of the jobs. */
  readonly jobs: readonly JobView[];
  /** Processor time of a job, by process. */
  readonly processor: string;
  /** Jobs a second, from the batch's acceptance to the last outcome's storage. */
  readonly rate: number;
  readonly docker: number;
}

/** Runs a batch of scripts that do nothing in containers that they share, until all of it is stored. */
export async function measureBatch(
  client: CroniumClient,
  { count, home }: { readonly count: number; readonly home: string },
): Promise<BatchRun> {
  const docker = await dockerRate(DOCKER_RUNS, WIDTH);
  const before = await lookAtProcessor(home);
  const startedAt = performance.now();
  const { batchId } = await client.submitBatch(Array.from({ length: count }, () => JOB));
  const batch = await client.waitForBatch(batchId);
  const seconds = (performance.now() - startedAt) / 1000;
  const processor = processorTable(before, await lookAtProcessor(home), count);
  if ((batch.counts.succeeded ?? 0) !== count) {
    throw new Error(`of ${count} jobs ended: ${JSON.stringify(batch.counts)}`);
  }
  return { rate: count / seconds, docker, processor, jobs: await someOf(client, batchId, count) };
}

async function someOf(client: CroniumClient, batchId: string, count: number): Promise<JobView[]> {
  const every = Math.max(1, Math.floor(count / SAMPLED));
  const jobs: JobView[] = [];
  let index = 0;
  for await (const { id } of client.batchResults(batchId)) {
    if (index++ % every === 0) jobs.push(await client.job(id));
  }
  return jobs;
}

/** From its claim to its script's start, in milliseconds. */
function startOf({ attemptList }: JobView): number {
  const timeline = attemptList[0]?.timeline ?? [];
  const at = (moment: string) => Number(timeline.find((entry) => entry.moment === moment)?.at);
  return at('main_started') - at('claimed');
}

export function batchFigures(runs: readonly BatchRun[]): Figure[] {
  const rates = runs.map(({ rate }) => rate);
  const docker = runs.map((run) => run.docker);
  const baseline = { name: 'docker run --rm', value: median(docker), runs: docker };
  const p99 = runs.map(({ jobs }) => percentile(jobs.map(startOf), 0.99));
  return [
    {
      ...{
        name: 'batch-isolated jobs, everything stored',
        unit: 'jobs/s',
        value: median(rates),
        runs: rates,
      },
      baseline,
      target: { of: 'value', atLeast: 300 },
    },
    {
      ...{
        name: 'start of a batch-isolated job under that load, p99',
        unit: 'ms',
        value: median(p99),
        runs: p99,
      },
      target: { of: 'value', atMost: 100 },
    },
  ];
}
