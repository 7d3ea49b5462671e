/**
 * Proves compose.yaml and the files for a node beside it: builds the images from what the machine has, brings the fleet and a
 * second node up under names and ports of their own, runs jobs, takes them down, and checks that nothing is left.
 *
 *   node deploy/local/ensure.mjs deploy/compose/check.ts
 */
import { CroniumClient } from '@cronium/client';
import { LABEL } from '@cronium/contracts';
import { bootstrapContext, dockerClient, ensureDocker, freePort } from '../local/bootstrap.ts';
import { cleanDocker } from '../local/fleet/docker-objects.ts';
import { openOnGateway } from '../local/fleet/gateway.ts';
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
const second = `${project}-2`;
const ports = { producer: await freePort(), results: await freePort(), valkey: await freePort() };
const env: Record<string, string | undefined> = {
  ...process.env,
  ...newEnv(images),
  CRONIUM_COMPOSE_PROJECT: project,
  CRONIUM_SHARED_NETWORK: `${project}-shared`,
  CRONIUM_NODE: node,
  CRONIUM_SLOTS: '2',
  CRONIUM_PRODUCER_PORT: String(ports.producer),
  CRONIUM_RESULTS_PORT: String(ports.results),
  CRONIUM_VALKEY_PORT: String(ports.valkey),
  DOCKER_HOST: docker.host,
};
/** Docker's own bridge: from a container of another network this host is reached at its address there. */
const { IPAM } = await dockerClient(docker.host).getNetwork('bridge').inspect();
const bridge = IPAM?.Config?.[0]?.Gateway ?? '172.17.0.1';
/** The second node, as if it were on another host: it knows the fleet by an address and has a shared network of its own. */
const nodeEnv = {
  ...env,
  CRONIUM_COMPOSE_PROJECT: second,
  CRONIUM_SHARED_NETWORK: `${second}-shared`,
  CRONIUM_NODE: second,
  CRONIUM_NODE_LABELS: 'host=second',
  CRONIUM_HEAD: bridge,
};
const fleet = { root: context.root, env, files: ['compose.yaml', 'deploy/compose/open.yaml'] };
const other = { root: context.root, env: nodeEnv, files: ['deploy/compose/node.yaml'] };
const UP = ['up', '--detach', '--wait', '--no-build'];
const DOWN = ['down', '--volumes', '--timeout', '60'];
const ends = new AsyncDisposableStack();

try {
  say(`Bringing compose.yaml up as ${project}.`);
  await compose(command, UP, fleet);
  await runJobs();
  for (const port of [ports.valkey, ports.results]) ends.use(await openOnGateway(bridge, port));
  say(`Bringing deploy/compose/node.yaml up as ${second}.`);
  await compose(command, UP, other);
  await runJobs({ host: 'second' });
} catch (error) {
  for (const one of [fleet, other]) await compose(command, ['logs', '--tail', '40'], one);
  throw error;
} finally {
  await compose(command, DOWN, other);
  await ends.disposeAsync();
  await compose(command, DOWN, fleet);
  for (const name of [node, second]) {
    const network = name === node ? `${project}-shared` : `${second}-shared`;
    await cleanDocker({ host: docker.host, network, nodes: [name] });
  }
}
await requireNothingLeft();
say('compose.yaml and node.yaml work: up, a job of each language on each node, down, nothing left.');

/** @param requires what the jobs require of their node */
async function runJobs(requires: Readonly<Record<string, string>> = {}): Promise<void> {
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
      requires,
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
  const found = [project, second].map(async (name) => {
    const filters = { label: [`com.docker.compose.project=${name}`] };
    return Promise.all([
      engine.listContainers({ all: true, filters }),
      engine.listNetworks({ filters }),
      engine.listVolumes({ filters }).then(({ Volumes }) => Volumes),
    ]);
  });
  const jobs = [node, second].map((name) =>
    engine.listContainers({ all: true, filters: { label: [`${LABEL.node}=${name}`] } }),
  );
  const each = await Promise.all(found);
  const networks = each.flatMap(([, one]) => one);
  const volumes = each.flatMap(([, , one]) => one);
  const left = [
    ...[...each.flatMap(([one]) => one), ...(await Promise.all(jobs)).flat()].map(
      ({ Names: [name = ''] }) => `container ${name.slice(1)}`,
    ),
    ...networks.map(({ Name }) => `network ${Name}`),
    ...volumes.map(({ Name }) => `volume ${Name}`),
  ];
  if (left.length > 0) throw new Error(`docker compose down left: ${left.join(', ')}`);
}
