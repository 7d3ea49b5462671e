import type { CroniumClient } from '@cronium/client';
import type { JobView } from '@cronium/contracts';
import { pause } from '../local/fleet/pause.ts';
import type { Figure } from './figure.ts';
import { firstByteOf, median, percentile } from './measure.ts';

const IMAGE = 'cronium/job-bash:local';
const EVERY_MS = 1000;

/** One job's way, in Unix ms. */
interface Start {
  readonly milliseconds: number;
  readonly start: 'warm' | 'cold';
  readonly job: JobView;
}

/** What one run of starts gave. */
export interface StartsRun {
  readonly warm: readonly number[];
  readonly cold: readonly number[];
  readonly docker: readonly number[];
  readonly jobs: readonly JobView[];
}

/** Submits a job a second, and between them times `docker run` of the same image. */
export async function measureStarts(client: CroniumClient, count: number): Promise<StartsRun> {
  const starts: Start[] = [];
  const docker: number[] = [];
  // What is kept warm is learned: the first job starts cold.
  await start(client);
  await pause(2 * EVERY_MS);
  for (let index = 0; index < count; index++) {
    starts.push(await start(client));
    await pause(EVERY_MS);
  }
  for (let index = 0; index < Math.ceil(count / 3); index++) {
    docker.push(await firstByteOf('docker', ['run', '--rm', '--entrypoint', 'bash', IMAGE, '-c', 'echo x']));
  }
  const of = (kind: Start['start']) =>
    starts.filter(({ start }) => start === kind).map((one) => one.milliseconds);
  return { warm: of('warm'), cold: of('cold'), docker, jobs: starts.map(({ job }) => job) };
}

async function start(client: CroniumClient): Promise<Start> {
  const submittedAt = performance.timeOrigin + performance.now();
  const { id } = await client.submit({ type: 'script', script: { language: 'bash', source: 'echo x' } });
  const job = await client.waitForJob(id);
  const timeline = job.attemptList[0]?.timeline ?? [];
  const at = (moment: string) => timeline.find((entry) => entry.moment === moment);
  const firstByte = Number(at('first_byte')?.at ?? Number.NaN);
  const kind = at('start_ended')?.attributes?.start === 'warm' ? 'warm' : 'cold';
  return { milliseconds: firstByte - submittedAt, start: kind, job };
}

export function startFigures(runs: readonly StartsRun[]): Figure[] {
  const each = (pick: (run: StartsRun) => readonly number[], share: number) =>
    runs.map((run) => percentile(pick(run), share));
  const p50 = each(({ warm }) => warm, 0.5);
  const p99 = each(({ warm }) => warm, 0.99);
  const docker = each((run) => run.docker, 0.5);
  const shareWarm = runs.map(({ warm, cold }) => warm.length / (warm.length + cold.length));
  const baseline = { name: 'docker run', value: median(docker), runs: docker };
  return [
    {
      name: 'warm start, p50',
      unit: 'ms',
      value: median(p50),
      runs: p50,
      target: { of: 'value', atMost: 10 },
    },
    {
      name: 'warm start, p99',
      unit: 'ms',
      value: median(p99),
      runs: p99,
      target: { of: 'value', atMost: 50 },
    },
    {
      name: 'warm start beside docker run, p50',
      unit: 'ms',
      value: median(p50),
      runs: p50,
      baseline,
      target: { of: 'ratio', atMost: 1 / 15 },
    },
    { name: 'share of warm starts at 1 job/s', unit: '', value: median(shareWarm), runs: shareWarm },
  ];
}
