import { resultsConfig } from '@cronium/config';
import { createLogger } from '@cronium/telemetry';
import { createTestDatabase, dropKeys, testEnvironment, testPrefix } from '@cronium/testing';
import type { Hono } from 'hono';
import { createApp } from '../app.ts';
import { runBackground } from '../background.ts';
import { openDatabase } from '../db/database.ts';
import { migrate } from '../db/migrate.ts';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { connectValkey } from '../queue/valkey.ts';
import { wire } from '../wire.ts';
import { Fleet } from './fleet.ts';

export const ADMIN_KEY = 'admin-key-of-the-tests';

/** A results process without its port, on a database and a key prefix of its own. */
export interface TestService extends AsyncDisposable {
  readonly deps: Deps;
  readonly app: Hono<Env>;
  readonly fleet: Fleet;
  readonly databaseUrl: string;
  readonly prefix: string;
  /** The environment of another process of the same fleet. */
  readonly env: Readonly<Record<string, string>>;
  /** A request with the admin's key. */
  get(path: string, headers?: Record<string, string>): Promise<Response>;
  /** A request with a JSON body, by default with the admin's key. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  /** Starts reading events and the rest of the background work. */
  start(): void;
}

/** Opens a service; `await using` closes it and removes all that is its own. */
export async function openService({
  secrets = true,
  tablespace,
  env: more = {},
}: {
  secrets?: boolean;
  /** Where the database's files go. */
  tablespace?: string;
  env?: Readonly<Record<string, string>>;
} = {}): Promise<TestService> {
  const { valkeyUrl } = testEnvironment();
  const database = await createTestDatabase(undefined, tablespace);
  const prefix = testPrefix();
  const stopping = new AbortController();
  const log = createLogger({ service: 'results', level: 'silent' });
  const env = {
    CRONIUM_DATABASE_URL: database.url,
    CRONIUM_VALKEY_URL: valkeyUrl,
    CRONIUM_PREFIX: prefix,
    CRONIUM_API_KEYS: `admin=${ADMIN_KEY}`,
    ...more,
    ...(secrets && { CRONIUM_SECRETS_KEY: `k1:${Buffer.alloc(32, 7).toString('base64')}` }),
  };
  await migrate(database.url);
  const db = openDatabase({ url: database.url, connections: 8 });
  const valkey = connectValkey(valkeyUrl, log);
  const deps = wire(resultsConfig.parse(env), { db, valkey, log, signal: stopping.signal });
  deps.schema.open();
  if (valkey.status !== 'ready') await new Promise((resolve) => valkey.once('ready', resolve));
  const fleet = await Fleet.create(valkey, deps.queues, prefix);
  const app = createApp(deps);
  const asAdmin = { authorization: `Bearer ${ADMIN_KEY}` };
  let background: Promise<void> | undefined;
  return {
    deps,
    app,
    fleet,
    databaseUrl: database.url,
    prefix,
    env,
    get: async (path, headers = {}) => app.request(path, { headers: { ...asAdmin, ...headers } }),
    send: async (method, path, body, headers = asAdmin) =>
      app.request(path, {
        method,
        headers: { 'content-type': 'application/json', ...headers },
        ...(body === undefined
          ? {}
          : { body: body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body) }),
      }),
    start: () => {
      background ??= runBackground(deps, {
        databaseUrl: database.url,
        forgottenAfterMs: 1000,
        retentionDays: 30,
        auditRetentionDays: 365,
      });
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await background;
      await fleet[Symbol.asyncDispose]();
      await deps.queues.close();
      valkey.disconnect();
      await db.destroy();
      await dropKeys(prefix);
      await database.drop();
    },
  };
}

/** The JSON of an answer, in the form that the test expects. */
export async function bodyOf<T>(response: Response | Promise<Response>): Promise<T> {
  return (await (await response).json()) as T;
}

/** The part of a problem document that tests look at. */
export interface ProblemBody {
  readonly detail: string;
  readonly errors: readonly { readonly path: string; readonly message: string }[];
}
