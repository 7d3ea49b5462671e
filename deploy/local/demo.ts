import { parseArgs } from 'node:util';
import { noPaint, paintAlways, waterfall } from '@cronium/cli/render';
import { CroniumClient } from '@cronium/client';
import type { JobInput, JobView } from '@cronium/contracts';
import { containerJobs, countingJobs, countName, httpJobs, toolJobs } from './demo/batch.ts';
import { bringFleet, type DemoFleet } from './demo/bring-fleet.ts';
import { compare } from './demo/compare.ts';
import { CHAT_PATH, storeCredential } from './demo/credential.ts';
import { followBatch, type Screen } from './demo/follow.ts';
import { countTable, otherTable } from './demo/report.ts';
import { textsIn } from './demo/texts.ts';
import { startWebServer } from './demo/web-server.ts';
import { whatNow } from './demo/what-now.ts';
import { explainStart } from './fleet/explain.ts';
import { StopSignals } from './fleet/stop-signals.ts';

const TEXTS = '/usr/share/common-licenses';
const USAGE = `Starts a fleet on this machine, runs a sample batch in real containers, and shows what came out.

Usage: npm run demo -- [--keep] [--workers 2] [--port-base 7070]

  --keep  leave the fleet running when the demo has ended`;

const { env, stdout } = process;
const color = stdout.isTTY === true && !env.NO_COLOR;
const screen: Screen = {
  paint: color ? paintAlways : noPaint,
  width: stdout.isTTY ? stdout.columns || 120 : 140,
  live: stdout.isTTY === true,
  write: (text) => void stdout.write(text),
};
const say = (...lines: readonly string[]): void => screen.write(`${lines.join('\n')}\n`);

try {
  const { values } = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      workers: { type: 'string', default: '2' },
      'port-base': { type: 'string', default: '7070' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) say(USAGE);
  else
    await main({ keep: values.keep, workers: Number(values.workers), portBase: Number(values['port-base']) });
} catch (error) {
  const { exitCode, message } = explainStart(error, 'npm run demo');
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}
// What is still waiting for an answer of a fleet that was stopped would wait for a while.
process.exit();

async function main(options: { keep: boolean; workers: number; portBase: number }): Promise<void> {
  const stop = new StopSignals(process, say);
  await using fleet = await bringFleet({ ...options, env, report: say, signal: stop.signal });
  const failures = await Promise.race([runDemo(fleet), stop.requested.then(() => ['it was stopped'])]);
  say('', ...whatNow(fleet, options.portBase));
  if (failures.length === 0) return;
  process.stderr.write(`The demo failed:\n${failures.map((one) => `  - ${one}`).join('\n')}\n`);
  process.exitCode = 1;
}

/** Runs the batch and shows what came out. Returns what did not end as it should. */
async function runDemo(fleet: DemoFleet): Promise<string[]> {
  const client = new CroniumClient(fleet.local);
  const texts = textsIn(TEXTS);
  await using server = await startWebServer(fleet.demoAddress);
  await storeCredential(fleet.local, fleet.demoAddress);
  const jobs = [...countingJobs(texts), ...httpJobs(fleet.demoAddress), ...toolJobs(), ...containerJobs()];
  say(
    '',
    `Submitting ${jobs.length} jobs as one batch: for each of the ${texts.length} texts in ${TEXTS} a word count`,
  );
  say(
    'in Bash, in Python and in Node.js, requests and a chat message to a web server that the demo runs, and a container job.',
  );
  const accepted = await client.submitBatch(jobs, { name: 'demo' });
  say(`Accepted as ${accepted.batchId}. Each job runs in a container and a network of its own.`, '');
  const batch = await followBatch(client, accepted.batchId, screen);
  const ended = await jobsOf(client, accepted.batchId);
  const comparisons = compare(
    texts.map(({ name }) => name),
    ended,
  );
  const others = ended.filter(({ type }) => type !== 'script');
  say('', ...countTable(comparisons, screen.paint, screen.width));
  say('', ...otherTable(others, screen.paint, screen.width));
  await showTrace(client, ended, texts[0]?.name ?? '');
  return [
    ...(accepted.rejectedTotal > 0
      ? [`${accepted.rejectedTotal} jobs were rejected: ${JSON.stringify(accepted.rejected)}`]
      : []),
    ...(batch.counts.succeeded === jobs.length
      ? []
      : [`${batch.counts.succeeded} of ${jobs.length} jobs succeeded`]),
    ...comparisons.flatMap(({ text, problems }) => problems.map((problem) => `${text}: ${problem}`)),
    ...others.filter(({ state }) => state !== 'succeeded').map(unexpected),
    ...missingRequests(jobs, server.requests),
  ];
}

async function jobsOf(client: CroniumClient, batchId: string): Promise<JobView[]> {
  const list = await Array.fromAsync(client.jobs({ batch: batchId }));
  return Promise.all(list.map(({ id }) => client.job(id)));
}

function unexpected({ name, id, state, attemptList }: JobView): string {
  return `${name} (${id}) ${state}: ${attemptList.at(-1)?.message ?? 'no message'}`;
}

/** The web server must have seen each request: an answer could have come from elsewhere. */
function missingRequests(jobs: readonly JobInput[], requests: readonly string[]): string[] {
  const wanted = jobs.flatMap((job) => {
    if (job.type === 'tool') return [`POST ${CHAT_PATH}`];
    return job.type === 'http' ? [`${job.http.method ?? 'GET'} ${new URL(job.http.url).pathname}`] : [];
  });
  return wanted.filter((one) => !requests.includes(one)).map((one) => `the web server never got ${one}`);
}

async function showTrace(client: CroniumClient, jobs: readonly JobView[], text: string): Promise<void> {
  const name = countName(text, 'python');
  const job = jobs.find((one) => one.name === name);
  if (job === undefined) return;
  const trace = await client.trace(job.id);
  say('', `Where the time of "${name}" went (cronium trace ${job.id}):`, '');
  say(...waterfall(trace, { paint: screen.paint, width: Math.min(screen.width, 140), nowMs: Date.now() }));
}
