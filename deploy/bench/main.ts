import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { CroniumClient } from '@cronium/client';
import Docker from 'dockerode';
import { explainStart } from '../local/fleet/explain.ts';
import { startFleet } from '../local/fleet.ts';
import { numberOf, runScript } from '../script-options.ts';
import { batchFigures, measureBatch } from './batch-isolation.ts';
import { type Figure, isMet, ratioOf, table } from './figure.ts';
import { idleFigures } from './idle.ts';
import { phaseTable } from './phases.ts';
import { plotFigures } from './plot.ts';
import { measureQueries } from './queries/run.ts';
import { measureScale } from './scale.ts';
import { measureServices, SERVICE_PARTS } from './services.ts';
import { measureStarts, startFigures } from './starts.ts';
import { measureThroughput, throughputFigures } from './throughput.ts';

const USAGE = `Measures a fleet on this machine, each figure beside its baseline in the same run.

Usage: npm run bench -- [--only starts,throughput,batch-isolation,idle,submission,ingest,tail] [--runs 3]
                           [--starts 30] [--jobs 80] [--batch-jobs 10000] [--submit 100000] [--large 1000000]
                           [--json FILE] [--profile]
       npm run bench -- --only scale [--workers 8] [--sleepers 200]
       npm run bench -- --only queries [--stored-jobs 100000] [--stored-spans 1000000] [--stored-log-mb 500] [--asked 100]

  --runs     how often each is measured; the medians count
  --starts   jobs of a run of starts, one a second
  --jobs     jobs of a run of throughput
  --batch-jobs  jobs of a run of batch-isolation
  --submit   jobs of a run of submission
  --large    jobs of the large batch; 0 for none
  --workers  1, 2, 4, … workers up to so many, full of jobs that sleep; --sleepers: so many on one worker, 0 for none
  --stored-… what the database holds before it is asked, and --asked how often a run asks each question; --match TEXT
             asks only the questions with that in their names
  --json     where the figures go (default .cronium/bench/figures.json); their picture stands beside it, as .svg
  --profile  prints the share of each phase, and writes a processor profile of each process to .cronium/bench/profiles`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const HOME = resolve(import.meta.dirname, '../../.cronium/bench');

const PARTS = 'starts,throughput,batch-isolation,idle,submission,ingest,tail';
const OPTIONS = {
  only: { type: 'string', default: PARTS },
  runs: { type: 'string', default: '3' },
  starts: { type: 'string', default: '30' },
  jobs: { type: 'string', default: '80' },
  'batch-jobs': { type: 'string', default: '10000' },
  submit: { type: 'string', default: '100000' },
  large: { type: 'string', default: '1000000' },
  json: { type: 'string', default: join(HOME, 'figures.json') },
  'port-base': { type: 'string', default: '7570' },
  'stored-jobs': { type: 'string', default: '100000' },
  'stored-spans': { type: 'string', default: '1000000' },
  'stored-log-mb': { type: 'string', default: '500' },
  asked: { type: 'string', default: '100' },
  match: { type: 'string', default: '' },
  workers: { type: 'string', default: '8' },
  sleepers: { type: 'string', default: '200' },
  profile: { type: 'boolean', default: false },
} as const;

const TEXTS = ['only', 'json', 'match'] as const;
type Text = (typeof TEXTS)[number];
/** The options, those that are numbers as numbers. */
type Wanted = Readonly<
  Record<Exclude<keyof typeof OPTIONS, Text | 'profile'>, number> & Record<Text, string>
> & {
  readonly profile: boolean;
};

/** What takes long, and is measured by itself. */
const ALONE: Readonly<Record<string, typeof measure>> = { queries, scale };

await runScript({
  name: 'npm run bench',
  usage: USAGE,
  options: OPTIONS,
  run: (values) => {
    const isText = (name: string) => TEXTS.some((text) => text === name);
    const read = ([name, value]: [string, string | boolean]) =>
      typeof value === 'boolean' || isText(name) ? [name, value] : [name, numberOf(name, value)];
    return bench(Object.fromEntries(Object.entries(values).map(read)) as Wanted);
  },
});

async function bench(wanted: Wanted): Promise<number> {
  try {
    const figures = await (ALONE[wanted.only] ?? measure)(wanted);
    const load = loadavg()[0] ?? Number.NaN;
    mkdirSync(dirname(wanted.json), { recursive: true });
    const facts = { at: new Date().toISOString(), processors: cpus().length, loadAfter: load };
    const measured = figures.map((one) => ({ ...one, ratio: ratioOf(one), met: isMet(one) }));
    writeFileSync(wanted.json, `${JSON.stringify({ ...facts, figures: measured }, null, 2)}\n`);
    const picture = `${wanted.json.replace(/\.json$/, '')}.svg`;
    writeFileSync(picture, plotFigures(figures));
    say(
      `\n${table(figures)}\n\n${cpus().length} processors, load ${load.toFixed(1)}. Figures: ${wanted.json}, ${picture}`,
    );
    return 0;
  } catch (error) {
    const { exitCode, message } = explainStart(error, 'npm run bench');
    process.stderr.write(`${message}\n`);
    return exitCode;
  }
}

/** Each worker count has a fleet of its own. */
function scale(wanted: Wanted): Promise<Figure[]> {
  const { runs, workers, sleepers } = wanted;
  return measureScale({ home: HOME, portBase: wanted['port-base'], runs, workers, sleepers, say });
}

/** Needs no worker and no Docker. */
async function queries(wanted: Wanted): Promise<Figure[]> {
  const sizes = {
    jobs: wanted['stored-jobs'],
    spans: wanted['stored-spans'],
    logBytes: wanted['stored-log-mb'] * 1e6,
  };
  const { runs, asked, match } = wanted;
  return measureQueries({ sizes, match, runs, asked, home: HOME, say });
}

async function measure(wanted: Wanted): Promise<Figure[]> {
  const only = new Set(wanted.only.split(','));
  const unknown = [...only].find((part) => !PARTS.split(',').includes(part));
  if (unknown !== undefined)
    throw new RangeError(`--only has no "${unknown}", but ${PARTS}, or one of queries and scale alone`);
  const services = [...SERVICE_PARTS].some((part) => only.has(part))
    ? await measureServices({
        only,
        home: join(HOME, 'services'),
        env: { ...process.env, ...profiling(wanted) },
        report: say,
        runs: wanted.runs,
        batch: wanted.submit,
        large: wanted.large,
      })
    : [];
  const needsFleet = [...only].some((part) => !SERVICE_PARTS.has(part));
  return [...(needsFleet ? await measureFleet(wanted, only) : []), ...services];
}

async function measureFleet(wanted: Wanted, only: ReadonlySet<string>): Promise<Figure[]> {
  // A database that grew over former runs would be measured too.
  rmSync(join(HOME, 'data'), { recursive: true, force: true });
  await using fleet = await startFleet({
    env: { ...process.env, ...profiling(wanted) },
    report: say,
    workers: 1,
    portBase: wanted['port-base'],
    home: HOME,
  });
  const { producerUrl, resultsUrl, apiKey, processes, dockerHosts } = fleet.local;
  const client = new CroniumClient({ producerUrl, resultsUrl, apiKey });
  const each = async <T>(name: string, run: () => Promise<T>): Promise<T[]> => {
    const runs: T[] = [];
    if (!only.has(name)) return runs;
    for (let index = 1; index <= wanted.runs; index++) {
      say(`${name}: run ${index} of ${wanted.runs}`);
      runs.push(await run());
    }
    return runs;
  };
  const starts = await each('starts', () => measureStarts(client, wanted.starts));
  if (wanted.profile && starts.length > 0) {
    say(`\nA warm start, by phase:\n${phaseTable(starts.flatMap(({ jobs }) => jobs))}\n`);
  }
  const throughput = await each('throughput', () =>
    measureThroughput(client, { count: wanted.jobs, home: HOME }),
  );
  const last = throughput.at(-1);
  if (wanted.profile && last !== undefined) {
    say(
      `\nA job of a full host, by phase:\n${phaseTable(last.jobs)}\n\nIts processor time, by process:\n${last.processor}\n`,
    );
  }
  const batches = await each('batch-isolation', () =>
    measureBatch(client, { count: wanted['batch-jobs'], home: HOME }),
  );
  const lastBatch = batches.at(-1);
  if (wanted.profile && lastBatch !== undefined) {
    say(
      `\nA job of a batch, by phase:\n${phaseTable(lastBatch.jobs)}\n\nIts processor time, by process:\n${lastBatch.processor}\n`,
    );
  }
  const pid = processes.workers[0]?.pid;
  const docker = new Docker({
    socketPath: new URL(dockerHosts[0] ?? 'unix:///var/run/docker.sock').pathname,
  });
  const idle = only.has('idle') && pid !== undefined ? await idleFigures(pid, docker) : [];
  return [
    ...(starts.length > 0 ? startFigures(starts) : []),
    ...(throughput.length > 0 ? throughputFigures(throughput) : []),
    ...(batches.length > 0 ? batchFigures(batches) : []),
    ...idle,
  ];
}

/** Each process writes its profile when it ends; any viewer of V8 profiles draws it as a flame graph. */
function profiling({ profile }: Wanted): Record<string, string> {
  if (!profile) return {};
  const folder = join(HOME, 'profiles');
  mkdirSync(folder, { recursive: true });
  return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}
