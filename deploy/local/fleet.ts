import { join } from 'node:path';
import { waitFor } from '@cronium/lifecycle';
import {
  type BootstrapContext,
  bootstrapContext,
  ensureDashboard,
  ensureImages,
  ensurePostgres,
  ensureValkey,
  type LocalService,
  type Report,
} from './bootstrap.ts';
import { cleanDocker } from './fleet/docker-objects.ts';
import { bringDocker, DEFAULT_PORT_BASE, type Engine, forwardOn, namesFor } from './fleet/engines.ts';
import {
  type FleetFacts,
  producerEnvironment,
  resultsEnvironment,
  workerEnvironment,
} from './fleet/environments.ts';
import { keptApiKey, keptSecretsKey, type LocalFleetFile } from './fleet/files.ts';
import { GuardProcess } from './fleet/guard-process.ts';
import { keepRunning, storeProcesses } from './fleet/keep-running.ts';
import { portsFrom, requireFreePorts } from './fleet/ports.ts';
import { type Awaited as AwaitedProcess, waitUntilReady } from './fleet/readiness.ts';
import { FleetRecord } from './fleet/record.ts';
import { SupervisedProcess } from './fleet/supervised.ts';

/** How to start a local fleet. */
export interface FleetOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly report: Report;
  /** Default 2. */
  readonly workers?: number;
  /** Default 7070. */
  readonly portBase?: number;
  /** Where its data, logs and files go. Default: `.cronium` in the root. */
  readonly home?: string;
  /** Engines for the workers, in turn. Default: the one of this machine. */
  readonly dockerHosts?: readonly string[];
  /** Gives up starting. */
  readonly signal?: AbortSignal;
}

/** A local fleet that is ready. */
export interface Fleet extends AsyncDisposable {
  readonly local: LocalFleetFile;
  readonly home: string;
  /** Where the demo's web server must listen to be reachable for http jobs. */
  readonly demoAddress: { readonly host: string; readonly port: number };
  /** Lets the workers finish what they run, ends everything in order, and removes what it made in Docker. */
  stop(): Promise<void>;
  /** Kills the services at once; the guard ends the rest. The process should exit right after. */
  kill(): void;
}

const STOP_MS = { worker: 90_000, service: 35_000 };

/**
 * Starts a fleet on this machine: brings Docker, Valkey, PostgreSQL and the images, runs producer, results and workers as
 * child processes that are started again when they die, and writes `.cronium/local.json` once all are ready.
 * @throws FleetRunningError, PortsTakenError, MissingError (what is missing and how to get it)
 */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const { env, report, portBase = DEFAULT_PORT_BASE } = options;
  const signal = options.signal ?? new AbortController().signal;
  const ports = portsFrom(portBase, options.workers ?? 2);
  const context = bootstrapContext({
    env,
    report,
    ...(options.home !== undefined && { home: options.home }),
  });
  await using stack = new AsyncDisposableStack();
  const record = await FleetRecord.take(context);
  stack.defer(() => record.remove());
  await requireFreePorts([ports.producer, ports.results, ...ports.workers]);
  const guard = new GuardProcess(context.home);
  stack.defer(() => guard.dismiss());
  record.guardedBy(guard.identity());

  await ensureDashboard(context);
  const engines = await bringDocker(context, { ...options, signal, names: namesFor(portBase, ports) });
  const demoAddress = { host: engines[0]?.gateway ?? '127.0.0.1', port: ports.demo };
  record.uses(
    engines.map(({ docker }) => docker),
    demoAddress,
  );
  stack.defer(async () => void (await Promise.all(engines.map(({ docker }) => cleanDocker(docker)))));
  const stores = await bringStores(context, { engines, record, stack, signal });
  const facts: FleetFacts = {
    env,
    home: context.home,
    ports,
    valkeyUrl: stores.valkey.url,
    databaseUrl: stores.postgres.url,
    apiKey: keptApiKey(context.home),
    secretsKey: keptSecretsKey(context.home),
    gateways: engines.map(({ gateway }) => gateway),
  };
  await forwardOn(engines, facts, stack);
  const services = startServices({ context, facts, engines, record, stack });
  record.follows(() => [
    ...storeProcesses(stores),
    ...services.all.flatMap(({ process }) => process.identity()),
  ]);
  await waitUntilReady(services.all, { report, signal });
  const local = () => describe(facts, services, engines);
  record.publish(local);
  const ready = local();
  if (ready === undefined)
    throw new Error('A process of the fleet ended as it became ready; see .cronium/logs.');
  const owned = stack.move();
  return {
    local: ready,
    home: context.home,
    demoAddress,
    stop: () => owned.disposeAsync(),
    kill() {
      for (const { process } of services.all) process.kill();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Stores = Readonly<Record<'valkey' | 'postgres', LocalService>>;

async function bringStores(
  context: BootstrapContext,
  parts: {
    engines: readonly Engine[];
    record: FleetRecord;
    stack: AsyncDisposableStack;
    signal: AbortSignal;
  },
): Promise<Stores> {
  const { engines, record, stack, signal } = parts;
  const host = engines[0]?.docker.host;
  const listen = ['127.0.0.1', ...engines.map(({ gateway }) => gateway)];
  const options = { listen, ...(host !== undefined && { dockerHost: host }) };
  const images = async () => {
    for (const { docker } of engines) await ensureImages(context, { dockerHost: docker.host });
  };
  const starting = [ensureValkey(context, options), ensurePostgres(context)] as const;
  // Whatever fails first: a store that has started must be known before the rest is given back.
  const owned = Promise.allSettled(starting.map(async (service) => stack.use(await service)));
  const [valkey, postgres] = await waitFor(Promise.all([...starting, images()]), signal).finally(() => owned);
  const stores = { valkey, postgres };
  record.follows(() => storeProcesses(stores));
  const changed = () => record.save();
  stack.use(keepRunning(valkey, { name: 'Valkey', report: context.report, changed }));
  stack.use(keepRunning(postgres, { name: 'PostgreSQL', report: context.report, changed }));
  return stores;
}

interface Services {
  readonly producer: SupervisedProcess;
  readonly results: SupervisedProcess;
  readonly workers: readonly { readonly node: string; readonly process: SupervisedProcess }[];
  readonly all: readonly AwaitedProcess[];
}

interface StartParts {
  readonly context: BootstrapContext;
  readonly facts: FleetFacts;
  readonly engines: readonly Engine[];
  readonly record: FleetRecord;
  readonly stack: AsyncDisposableStack;
}

/** Starts them all at once: each waits for those it needs. They end in the opposite order, workers first. */
function startServices({ context, facts, engines, record, stack }: StartParts): Services {
  const start = (stage: 'producer' | 'results' | 'worker', name: string, env: Record<string, string>) =>
    new SupervisedProcess({
      name,
      stage,
      env,
      script: join(context.root, 'services', stage, 'src/main.ts'),
      log: join(context.home, 'logs', `${name}.log`),
      report: context.report,
      changed: () => record.save(),
    });
  const results = start('results', 'results', resultsEnvironment(facts));
  stack.defer(() => results.stop(STOP_MS.service));
  const producer = start('producer', 'producer', producerEnvironment(facts));
  stack.defer(() => producer.stop(STOP_MS.service));
  const workers = engines.flatMap(({ docker }) =>
    docker.nodes.map((node) => {
      const port = facts.ports.workers[Number(node.split('-').at(-1)) - 1] ?? 0;
      const worker = { node, port, dockerHost: docker.host, network: docker.network };
      return { node, port, process: start('worker', node, workerEnvironment(facts, worker)) };
    }),
  );
  stack.defer(
    async () => void (await Promise.all(workers.map(({ process }) => process.stop(STOP_MS.worker)))),
  );
  const at = (port: number) => `http://127.0.0.1:${port}`;
  const all = [
    { process: results, url: at(facts.ports.results) },
    { process: producer, url: at(facts.ports.producer) },
    ...workers.map(({ port, process }) => ({ process, url: at(port) })),
  ];
  return { producer, results, workers, all };
}

/** Undefined while one of the processes is between an end and a new start. */
function describe(
  facts: FleetFacts,
  services: Services,
  engines: readonly Engine[],
): LocalFleetFile | undefined {
  const [producer, results] = [services.producer.pid, services.results.pid];
  const workers = services.workers.flatMap(({ node, process: { pid } }) =>
    pid === undefined ? [] : [{ node, pid }],
  );
  if (producer === undefined || results === undefined || workers.length < services.workers.length)
    return undefined;
  const resultsUrl = `http://127.0.0.1:${facts.ports.results}`;
  return {
    producerUrl: `http://127.0.0.1:${facts.ports.producer}`,
    resultsUrl,
    apiKey: facts.apiKey,
    dashboardUrl: `${resultsUrl}/#key=${facts.apiKey}`,
    valkeyUrl: facts.valkeyUrl,
    databaseUrl: facts.databaseUrl,
    dockerHosts: engines.map(({ docker }) => docker.host),
    processes: { producer: { pid: producer }, results: { pid: results }, workers },
  };
}
