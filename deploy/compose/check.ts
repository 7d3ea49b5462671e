/**
 * Proves compose.yaml: builds the images from what the machine has, brings the fleet up under names and ports of its own,
 * runs jobs, takes it down, and checks that nothing is left.
 *
 *   node deploy/local/ensure.mjs deploy/compose/check.ts
 */
import { CroniumClient } from '@cronium/client';
import { LABEL } from '@cronium/contracts';
import { bootstrapContext, dockerClient, ensureDocker, freePort } from '../local/bootstrap.ts';
import { cleanDocker } from '../local/fleet/docker-objects.ts';
import { compose, ensureCompose } from './compose-command.ts';
import { newEnv } from './env.ts';
import { ensureComposeImages } from './images.ts';

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const context = bootstrapContext({ env: process.env, report: say });
const docker = await ensureDocker(context);
const images = await ensureComposeImages(context, docker.host);
const command = await ensureCompose(context);

const project = `cronium-check-${process.pid}`;
const node = `${project}-1`;
const ports = { producer: await freePort(), results: await freePort() };
const env: Record<string, string | undefined> = {
  ...process.env,
  ...newEnv(images),
  CRONIUM_COMPOSE_PROJECT: project,
  CRONIUM_SHARED_NETWORK: `${project}-shared`,
  CRONIUM_NODE: node,
  CRONIUM_SLOTS: '2',
  CRONIUM_PRODUCER_PORT: String(ports.producer),
  CRONIUM_RESULTS_PORT: String(ports.results),
  DOCKER_HOST: docker.host,
};
const run = (...args: string[]): Promise<void> => compose(command, args, { root: context.root, env });

try {
  say(`Bringing compose.yaml up as ${project}.`);
  await run('up', '--detach', '--wait', '--no-build');
  await runJobs();
} catch (error) {
  await run('logs', '--tail', '40');
  throw error;
} finally {
  await run('down', '--volumes', '--timeout', '60');
  await cleanDocker({ host: docker.host, network: `${project}-shared`, nodes: [node] });
}
await requireNothingLeft();
say('compose.yaml works: up, a job of each language, down, nothing left.');

async function runJobs(): Promise<void> {
  const client = new CroniumClient({
    producerUrl: `http://127.0.0.1:${ports.producer}`,
    resultsUrl: `http://127.0.0.1:${ports.results}`,
    apiKey: env.CRONIUM_API_KEY ?? '',
  });
  const sources = {
    bash: 'echo "from bash"',
    python: 'print("from python")',
    node: 'console.log("from node")',
  };
  for (const [language, source] of Object.entries(sources)) {
    const script = { language: language as keyof typeof sources, source };
    const { id } = await client.submit({
      type: 'script',
      name: `compose ${language}`,
      script,
      timeoutSeconds: 60,
    });
    const job = await client.waitForJob(id, { timeoutMs: 120_000 });
    const lines = await Array.fromAsync(client.logs(id), ({ text }) => text);
    say(`${id} ${job.state}: ${lines.join(' | ')}`);
    if (job.state !== 'succeeded' || lines.join('') !== `from ${language}`) {
      throw new Error(
        `The ${language} job did not end as it should: ${JSON.stringify(job.attemptList.at(-1))}`,
      );
    }
  }
}

async function requireNothingLeft(): Promise<void> {
  const engine = dockerClient(docker.host);
  const filters = { label: [`com.docker.compose.project=${project}`] };
  const ofNode = { label: [`${LABEL.node}=${node}`] };
  const [containers, jobs, networks, { Volumes: volumes }] = await Promise.all([
    engine.listContainers({ all: true, filters }),
    engine.listContainers({ all: true, filters: ofNode }),
    engine.listNetworks({ filters }),
    engine.listVolumes({ filters }),
  ]);
  const left = [
    ...[...containers, ...jobs].map(({ Names: [name = ''] }) => `container ${name.slice(1)}`),
    ...networks.map(({ Name }) => `network ${Name}`),
    ...volumes.map(({ Name }) => `volume ${Name}`),
  ];
  if (left.length > 0) throw new Error(`docker compose down left: ${left.join(', ')}`);
}
