import type { CroniumClient } from '@cronium/client';
import type { JobInput, JobView } from '@cronium/contracts';
import type { Figure } from './figure.ts';
import { firstByteOf, inLanes, median } from './measure.ts';
import { lookAtProcessor, processorTable } from './processor.ts';

const IMAGE = 'cronium/job-bash:local';
const WIDTHS = [4, 8];
const JOB: JobInput = { type: 'script', script: { language: 'bash', source: 'echo x' } };

/** What one run of throughput gave, in jobs a second. */
export interface ThroughputRun {
  readonly fleet: number;
  readonly docker: number;
  /** Some of the jobs, to see where their time went. */
  readonly jobs: readonly JobView[];
  /** Processor time of the fleet's part of the run, as a table. */
  readonly processor: string;
}

/**
 * Runs a batch through the whole product until all of it is stored, and the same with `docker run --rm`: the better of
 * several widths counts.
 */
export async function measureThroughput(
  client: CroniumClient,
  { count, home }: { readonly count: number; readonly home: string },
): Promise<ThroughputRun> {
  const docker: number[] = [];
  for (const width of WIDTHS) docker.push(await dockerRate(count, width));
  const before = await lookAtProcessor(home);
  const startedAt = performance.now();
  const { batchId } = await client.submitBatch(Array.from({ length: count }, () => JOB));
  const batch = await client.waitForBatch(batchId);
  const seconds = (performance.now() - startedAt) / 1000;
  const processor = processorTable(before, await lookAtProcessor(home), count);
  if ((batch.counts.succeeded ?? 0) !== count) {
    throw new Error(`of ${count} jobs ended: ${JSON.stringify(batch.counts)}`);
  }
  return {
    fleet: count / seconds,
    docker: Math.max(...docker),
    jobs: await someJobs(client, batchId),
    processor,
  };
}

async function someJobs(client: CroniumClient, batchId: string): Promise<readonly JobView[]> {
  const { jobs } = await client.jobPage({ batch: batchId, limit: 100 });
  return Promise.all(jobs.map(({ id }) => client.job(id)));
}

/** Jobs a second of `docker run --rm`, so many at a time. */
export async function dockerRate(count: number, width: number): Promise<number> {
  const args = ['run', '--rm', '--entrypoint', 'bash', IMAGE, '-c', 'echo x'];
  const milliseconds = await inLanes({ count, width }, () => firstByteOf('docker', args));
  return count / (milliseconds / 1000);
}

export function throughputFigures(runs: readonly ThroughputRun[]): Figure[] {
  const fleet = runs.map((run) => run.fleet);
  const docker = runs.map((run) => run.docker);
  return [
    {
      name: 'isolated jobs, everything stored',
      unit: 'jobs/s',
      value: median(fleet),
      runs: fleet,
      baseline: { name: 'docker run --rm', value: median(docker), runs: docker },
      target: { of: 'ratio', atLeast: 2 },
    },
  ];
}
