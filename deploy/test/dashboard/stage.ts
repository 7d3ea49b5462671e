import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CroniumClient } from '@cronium/client';
import { createTestDatabase, dropKeys, testEnvironment, testPrefix } from '@cronium/testing';
import { type Browser, chromium } from 'playwright-core';
import { freePort } from '../../local/bootstrap.ts';
import { Service } from '../e2e/service.ts';
import { type Line, openLine } from './line.ts';
import { ScriptedNode } from './scripted-node.ts';

export const KEY = 'dashboard-test-key';

/** Real results and producer processes, a scripted node, and a browser that reaches results over a line. */
export interface Stage extends AsyncDisposable {
  readonly node: ScriptedNode;
  readonly client: CroniumClient;
  readonly browser: Browser;
  readonly line: Line;
  readonly resultsUrl: string;
  /** An address of the dashboard that signs in. */
  signedIn(path?: string): string;
}

/** Flags with which Chromium stays on this machine and starts without a desktop. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Opens the stage; `await using` closes it and removes all that is its own. */
export async function openStage(): Promise<Stage> {
  const { valkeyUrl } = testEnvironment();
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createTestDatabase());
  const prefix = testPrefix();
  stack.defer(async () => void (await dropKeys(prefix)));
  const [producerPort, resultsPort] = [await freePort(), await freePort()];
  const [producerUrl, resultsUrl] = [`http://127.0.0.1:${producerPort}`, `http://127.0.0.1:${resultsPort}`];
  const env = {
    CRONIUM_VALKEY_URL: valkeyUrl,
    CRONIUM_PREFIX: prefix,
    CRONIUM_HOST: '127.0.0.1',
    CRONIUM_API_KEYS: `tester=${KEY}`,
    CRONIUM_PRODUCER_URL: producerUrl,
    CRONIUM_RESULTS_URL: resultsUrl,
    CRONIUM_DATABASE_URL: database.url,
    CRONIUM_SECRETS_KEY: `k1:${Buffer.alloc(32, 7).toString('base64')}`,
  };
  const results = new Service({
    name: 'results',
    part: 'results',
    env: { ...env, CRONIUM_PORT: String(resultsPort) },
  });
  const producer = new Service({
    name: 'producer',
    part: 'producer',
    env: { ...env, CRONIUM_PORT: String(producerPort) },
  });
  stack.defer(() => Promise.all([results.end(), producer.end()]).then(() => undefined));
  await Promise.all([results.start(), producer.start()]);
  await Promise.all([results.ready(), producer.ready()]);
  const node = stack.use(await ScriptedNode.join({ valkeyUrl, resultsUrl, prefix, name: 'node-1' }));
  const line = stack.use(await openLine(resultsPort));
  const browser = await openBrowser(stack);
  const owned = stack.move();
  return {
    node,
    line,
    browser,
    resultsUrl,
    client: new CroniumClient({ producerUrl, resultsUrl, apiKey: KEY }),
    signedIn: (path = '/') => `${line.url}${path}#key=${KEY}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function openBrowser(stack: AsyncDisposableStack): Promise<Browser> {
  const { path, env } = testEnvironment().browser;
  const home = await mkdtemp(join(tmpdir(), 'browser-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  const { PATH = '' } = process.env;
  const browser = await chromium.launch({
    executablePath: path,
    args: FLAGS,
    chromiumSandbox: false,
    env: { ...env, PATH, HOME: home, TMPDIR: home },
  });
  stack.defer(() => browser.close());
  return browser;
}
