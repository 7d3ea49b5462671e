import { parseArgs } from 'node:util';
import { explainStart } from './fleet/explain.ts';
import { stopFleet, whatBecomesOfJobs } from './fleet/stop-fleet.ts';
import { StopSignals } from './fleet/stop-signals.ts';
import { type Fleet, startFleet } from './fleet.ts';

const USAGE = `Runs a fleet on this machine until Ctrl-C.

Usage: npm start -- [--workers 2] [--port-base 7070] [--stop]

  --workers    how many worker nodes (1 to 16)
  --port-base  the producer's port; results gets the next one, then the workers
  --stop       stops the fleet of this checkout that runs in another terminal or in the background; so does npm stop

Set CRONIUM_VALKEY_URL, CRONIUM_DATABASE_URL or DOCKER_HOST to use those instead of bringing them. Other CRONIUM_*
variables reach the services: docs/configuration.md lists them.`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

try {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string', default: '2' },
      'port-base': { type: 'string', default: '7070' },
      stop: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) say(USAGE);
  else if (values.stop)
    say((await stopFleet(say, process.env)) ? 'Stopped.' : 'No local fleet of this checkout is running.');
  else await run(Number(values.workers), Number(values['port-base']));
} catch (error) {
  const { exitCode, message } = explainStart(error, 'npm start');
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

async function run(workers: number, portBase: number): Promise<void> {
  const startedAt = performance.now();
  const stop = new StopSignals(process, say);
  const fleet = await startFleet({ env: process.env, report: say, workers, portBase, signal: stop.signal });
  stop.onForce(() => fleet.kill());
  say(welcome(fleet, performance.now() - startedAt));
  await stop.requested;
  say(`Stopping. ${whatBecomesOfJobs(process.env)} Ctrl-C again ends everything at once.`);
  await fleet.stop();
  say('Stopped.');
  process.exit(0);
}

function welcome({ local, home }: Fleet, tookMs: number): string {
  return `
The fleet is ready (${(tookMs / 1000).toFixed(1)} s).

  dashboard  ${local.dashboardUrl}
  producer   ${local.producerUrl}
  results    ${local.resultsUrl}
  nodes      ${local.processes.workers.map(({ node }) => node).join(', ')}
  logs       ${home}/logs

Try, in another terminal:

  npx cronium run -l bash 'echo hello from $HOSTNAME'
  npx cronium jobs
  npx cronium workers

${process.stdout.isTTY ? 'Ctrl-C stops it.' : 'Stop it with Ctrl-C, or: npm stop'}`;
}
