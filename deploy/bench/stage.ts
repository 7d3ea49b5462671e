import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BootstrapContext,
  bootstrapContext,
  ensurePostgres,
  ensureValkey,
  freePort,
  type Report,
} from '../local/bootstrap.ts';
import { type FleetFacts, producerEnvironment, resultsEnvironment } from '../local/fleet/environments.ts';
import { keptApiKey, keptSecretsKey } from '../local/fleet/files.ts';
import { waitUntilReady } from '../local/fleet/readiness.ts';
import { SupervisedProcess } from '../local/fleet/supervised.ts';

/** A service of the fleet that runs as a process of its own. */
export interface StagedService {
  readonly url: string;
  /** The process id of the service that runs now. */
  pid(): number;
}

/** What the benchmarks of one service need: the stores, and the services without a worker and without Docker. */
export interface Stage extends AsyncDisposable {
  readonly valkeyUrl: string;
  readonly databaseUrl: string;
  readonly apiKey: string;
  startProducer(): Promise<StagedService>;
  startResults(): Promise<StagedService>;
}

const STOP_MS = 35_000;

/** Brings empty stores below `home`. */
export async function openStage(
  home: string,
  { env, report }: { env: Readonly<Record<string, string | undefined>>; report: Report },
): Promise<Stage> {
  // Stores that grew over former runs would be measured too.
  rmSync(join(home, 'data'), { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  const context = bootstrapContext({ env, report });
  await using stack = new AsyncDisposableStack();
  const valkey = stack.use(await ensureValkey(context, { dir: join(home, 'data/valkey') }));
  const postgres = stack.use(await ensurePostgres(context, { dir: join(home, 'data/postgres') }));
  const facts: FleetFacts = {
    env,
    home,
    ports: { producer: await freePort(), results: await freePort(), workers: [], demo: 0 },
    valkeyUrl: valkey.url,
    databaseUrl: postgres.url,
    apiKey: keptApiKey(home),
    secretsKey: keptSecretsKey(home),
    gateways: [],
  };
  const owned = stack.move();
  const start = (stage: 'producer' | 'results', variables: Record<string, string>) =>
    startService({ context, home, stack: owned, stage, variables, port: facts.ports[stage] });
  return {
    valkeyUrl: valkey.url,
    databaseUrl: postgres.url,
    apiKey: facts.apiKey,
    startProducer: () => start('producer', producerEnvironment(facts)),
    startResults: () => start('results', resultsEnvironment(facts)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startService({
  context,
  home,
  stack,
  stage,
  variables,
  port,
}: {
  context: BootstrapContext;
  home: string;
  stack: AsyncDisposableStack;
  stage: 'producer' | 'results';
  variables: Record<string, string>;
  port: number;
}): Promise<StagedService> {
  const { report } = context;
  const process = new SupervisedProcess({
    name: stage,
    stage,
    script: join(context.root, 'services', stage, 'src/main.ts'),
    env: variables,
    log: join(home, 'logs', `${stage}.log`),
    report,
    changed: () => undefined,
  });
  stack.defer(() => process.stop(STOP_MS));
  const url = `http://127.0.0.1:${port}`;
  await waitUntilReady([{ process, url }], { report, signal: new AbortController().signal });
  return {
    url,
    pid: () => {
      if (process.pid === undefined) throw new Error(`${stage} has ended; see ${process.log}`);
      return process.pid;
    },
  };
}
