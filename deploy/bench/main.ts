import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { CroniumClient } from '@cronium/client';
import Docker from 'dockerode';
import { explainStart } from '../local/fleet/explain.ts';
import { startFleet } from '../local/fleet.ts';
import { batchFigures, measureBatch } from './batch-isolation.ts';
import { type Figure, isMet, ratioOf, table } from './figure.ts';
import { idleFigures } from './idle.ts';
import { phaseTable } from './phases.ts';
import { plotFigures } from './plot.ts';
import { measureQueries } from './queries/run.ts';
import { measureServices, SERVICE_PARTS } from './services.ts';
import { measureStarts, startFigures } from './starts.ts';
import { measureThroughput, throughputFigures } from './throughput.ts';

const USAGE = `Measures a fleet on this machine, each figure beside its baseline in the same run.

Usage: npm run bench -- [--only starts,throughput,batch-isolation,idle,submission,ingest,tail] [--runs 3]
                           [--starts 30] [--jobs 80] [--batch-jobs 3000] [--submit 100000] [--large 1000000]
                           [--json FILE] [--profile]
       npm run bench -- --only queries [--stored-jobs 100000] [--stored-spans 1000000] [--stored-log-mb 500] [--asked 100]

  --runs     how often each is measured; the medians count
  --starts   jobs of a run of starts, one a second
  --jobs     jobs of a run of throughput
  --batch-jobs  jobs of a run of batch-isolation
  --submit   jobs of a run of submission
  --large    jobs of the large batch; 0 for none
  --stored-… what the database holds before it is asked, and --asked how often a run asks each question; --match TEXT
             asks only the questions with that in their names
  --json     where the figures go (default .cronium/bench/figures.json); their picture stands beside it, as .svg
  --profile  prints the share of each phase, and writes a processor profile of each process to .cronium/bench/profiles`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const HOME = resolve(import.meta.dirname, '../../.cronium/bench');

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'starts,throughput,batch-isolation,idle,submission,ingest,tail' },
    runs: { type: 'string', default: '3' },
    starts: { type: 'string', default: '30' },
    jobs: { type: 'string', default: '80' },
    'batch-jobs': { type: 'string', default: '3000' },
    submit: { type: 'string', default: '100000' },
    large: { type: 'string', default: '1000000' },
    json: { type: 'string', default: join(HOME, 'figures.json') },
    'port-base': { type: 'string', default: '7570' },
    'stored-jobs': { type: 'string', default: '100000' },
    'stored-spans': { type: 'string', default: '1000000' },
    'stored-log-mb': { type: 'string', default: '500' },
    asked: { type: 'string', default: '100' },
    match: { type: 'string', default: '' },
    profile: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

if (values.help) say(USAGE);
else await bench();

async function bench(): Promise<void> {
  try {
    const figures = values.only === 'queries' ? await queries() : await measure();
    const load = loadavg()[0] ?? Number.NaN;
    mkdirSync(dirname(values.json), { recursive: true });
    const facts = { at: new Date().toISOString(), processors: cpus().length, loadAfter: load };
    const measured = figures.map((one) => ({ ...one, ratio: ratioOf(one), met: isMet(one) }));
    writeFileSync(values.json, `${JSON.stringify({ ...facts, figures: measured }, null, 2)}\n`);
    const picture = `${values.json.replace(/\.json$/, '')}.svg`;
    writeFileSync(picture, plotFigures(figures));
    say(
      `\n${table(figures)}\n\n${cpus().length} processors, load ${load.toFixed(1)}. Figures: ${values.json}, ${picture}`,
    );
  } catch (error) {
    const { exitCode, message } = explainStart(error, 'npm run bench');
    process.stderr.write(`${message}\n`);
    process.exitCode = exitCode;
  }
}

/** Needs no worker and no Docker. */
async function queries(): Promise<Figure[]> {
  const sizes = {
    jobs: Number(values['stored-jobs']),
    spans: Number(values['stored-spans']),
    logBytes: Number(values['stored-log-mb']) * 1e6,
  };
  const { runs, asked, match } = values;
  return measureQueries({ sizes, match, runs: Number(runs), asked: Number(asked), home: HOME, say });
}

async function measure(): Promise<Figure[]> {
  const only = new Set(values.only.split(','));
  const services = [...SERVICE_PARTS].some((part) => only.has(part))
    ? await measureServices({
        only,
        home: join(HOME, 'services'),
        env: { ...process.env, ...profiling() },
        report: say,
        runs: Number(values.runs),
        batch: Number(values.submit),
        large: Number(values.large),
      })
    : [];
  const needsFleet = [...only].some((part) => !SERVICE_PARTS.has(part));
  return [...(needsFleet ? await measureFleet(only) : []), ...services];
}

async function measureFleet(only: ReadonlySet<string>): Promise<Figure[]> {
  // A database that grew over former runs would be measured too.
  rmSync(join(HOME, 'data'), { recursive: true, force: true });
  await using fleet = await startFleet({
    env: { ...process.env, ...profiling() },
    report: say,
    workers: 1,
    portBase: Number(values['port-base']),
    home: HOME,
  });
  const { producerUrl, resultsUrl, apiKey, processes, dockerHosts } = fleet.local;
  const client = new CroniumClient({ producerUrl, resultsUrl, apiKey });
  const each = async <T>(name: string, run: () => Promise<T>): Promise<T[]> => {
    const runs: T[] = [];
    if (!only.has(name)) return runs;
    for (let index = 1; index <= Number(values.runs); index++) {
      say(`${name}: run ${index} of ${values.runs}`);
      runs.push(await run());
    }
    return runs;
  };
  const starts = await each('starts', () => measureStarts(client, Number(values.starts)));
  if (values.profile && starts.length > 0) {
    say(`\nA warm start, by phase:\n${phaseTable(starts.flatMap(({ jobs }) => jobs))}\n`);
  }
  const throughput = await each('throughput', () =>
    measureThroughput(client, { count: Number(values.jobs), home: HOME }),
  );
  const last = throughput.at(-1);
  if (values.profile && last !== undefined) {
    say(
      `\nA job of a full host, by phase:\n${phaseTable(last.jobs)}\n\nIts processor time, by process:\n${last.processor}\n`,
    );
  }
  const batches = await each('batch-isolation', () =>
    measureBatch(client, { count: Number(values['batch-jobs']), home: HOME }),
  );
  const lastBatch = batches.at(-1);
  if (values.profile && lastBatch !== undefined) {
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
function profiling(): Record<string, string> {
  if (!values.profile) return {};
  const folder = join(HOME, 'profiles');
  mkdirSync(folder, { recursive: true });
  return { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` };
}
