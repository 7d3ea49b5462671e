import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { keysFor, type NodeRecord } from '@cronium/contracts';
import { Redis } from 'ioredis';
import pg from 'pg';
import { bootstrapContext, ensurePostgres, ensureValkey, freePort } from '../../local/bootstrap.ts';
import { keptApiKey, keptSecretsKey } from '../../local/fleet/files.ts';
import { waitUntilReady } from '../../local/fleet/readiness.ts';
import { SupervisedProcess } from '../../local/fleet/supervised.ts';
import { fill, type Sizes } from './fill.ts';

const PREFIX = '{cronium}';
const NODES = 20;
const READY_MS = 600_000;
const STOP_MS = 30_000;
const LOOK_MS = 200;
/** What is older is filled again, so that the last hour is not empty. */
const FRESH_MS = 12 * 3_600_000;

/** A real results process on a database that holds a fleet's week. */
export interface Bed extends AsyncDisposable {
  readonly url: string;
  readonly apiKey: string;
  readonly databaseUrl: string;
  readonly postgresLog: string;
  /** Ends the process and starts another. */
  restart(): Promise<void>;
}

/** Starts PostgreSQL, Valkey and results as the local fleet does, and fills the database unless it is filled already. */
export async function openBed(home: string, sizes: Sizes, say: (line: string) => void): Promise<Bed> {
  await using stack = new AsyncDisposableStack();
  mkdirSync(home, { recursive: true });
  const mark = join(home, `filled-${sizes.jobs}-${sizes.spans}-${sizes.logBytes}`);
  const isFilled = existsSync(mark) && Date.now() - statSync(mark).mtimeMs < FRESH_MS;
  if (!isFilled) rmSync(home, { recursive: true, force: true });
  const context = bootstrapContext({ env: process.env, report: say });
  const { CRONIUM_DATABASE_URL: _, CRONIUM_VALKEY_URL: __, ...env } = context.env;
  const local = { ...context, env };
  const postgres = stack.use(await ensurePostgres(local, { dir: join(home, 'postgres') }));
  const valkey = stack.use(await ensureValkey(local, { dir: join(home, 'valkey') }));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const apiKey = keptApiKey(home);
  const start = async () => {
    const results = new SupervisedProcess({
      name: 'results',
      stage: 'results',
      script: join(context.root, 'services/results/src/main.ts'),
      log: join(home, 'logs/results.log'),
      report: say,
      changed: () => undefined,
      env: {
        ...(env as Record<string, string>),
        CRONIUM_HOST: '127.0.0.1',
        CRONIUM_PORT: String(port),
        CRONIUM_PREFIX: PREFIX,
        CRONIUM_DATABASE_URL: postgres.url,
        CRONIUM_VALKEY_URL: valkey.url,
        CRONIUM_API_KEYS: `local=${apiKey}`,
        CRONIUM_SECRETS_KEY: keptSecretsKey(home),
        CRONIUM_FORGOTTEN_SECONDS: '86400',
      },
    });
    const limit = AbortSignal.timeout(READY_MS);
    await waitUntilReady([{ process: results, url }], { report: say, signal: limit }).catch(async (error) => {
      await results.stop(STOP_MS);
      throw error;
    });
    return results;
  };
  let results = await start();
  stack.defer(() => results.stop(STOP_MS));
  if (!isFilled) {
    // Its background work and the filling would only hinder each other.
    await results.stop(STOP_MS);
    say(`Filling: ${sizes.jobs} jobs, ${sizes.spans} spans, ${sizes.logBytes / 1e6} MB of logs.`);
    await filled(postgres.url, sizes, say);
    await announceNodes(valkey.url);
    results = await start();
    await settled(postgres.url, say);
    writeFileSync(mark, '');
  }
  const owned = stack.move();
  return {
    url,
    apiKey,
    databaseUrl: postgres.url,
    postgresLog: join(home, 'postgres/server.log'),
    async restart() {
      await results.stop(STOP_MS);
      results = await start();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function filled(url: string, sizes: Sizes, say: (line: string) => void): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await fill(client, sizes, say);
  } finally {
    await client.end();
  }
}

/** Waits until the process has added up what so many jobs changed of the tallies, as it would have while they ran. */
async function settled(url: string, say: (line: string) => void): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    say('Waiting until the tallies are added up.');
    const left = async () =>
      (await client.query('SELECT 1 FROM tally_changes LIMIT 1').then(({ rowCount }) => rowCount)) === 1;
    while (await left()) await setTimeout(LOOK_MS);
    await client.query('VACUUM (ANALYZE) tallies, tally_changes');
  } finally {
    await client.end();
  }
}

/** Nodes that were heard of once; by now they count as gone. */
async function announceNodes(url: string): Promise<void> {
  const valkey = new Redis(url);
  const at = Date.now();
  for (let index = 1; index <= NODES; index++) {
    const node: NodeRecord = {
      ...{
        node: `node-${index}`,
        version: '1',
        pools: ['default', 'gpu'],
        labels: { zone: 'a' },
        slots: 16,
        busy: 3,
      },
      ...{
        state: 'ready',
        reasons: [],
        images: ['cronium/job-bash:local'],
        keys: [],
        startedAt: at,
        seenAt: at,
      },
    };
    await valkey.hset(keysFor(PREFIX).nodes, node.node, JSON.stringify(node));
  }
  valkey.disconnect();
}
