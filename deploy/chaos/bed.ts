import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@cronium/testing';
import { IMAGE_TAGS, type LocalService } from '../local/bootstrap.ts';
import { TestFleet, type Worker } from '../test/e2e/harness.ts';
import { openPostgres, openValkey } from '../test/e2e/own-stores.ts';
import { type SecondEngine, startSecondEngine } from '../test/e2e/second-engine.ts';
import type { EffectsAddress } from './jobs.ts';
import { signalTree } from './processes.ts';

/** What a round breaks: a fleet with two workers on two Docker engines, and stores of its own. */
export interface Bed extends AsyncDisposable {
  readonly fleet: TestFleet;
  readonly valkey: LocalService;
  readonly postgres: LocalService;
  /** The engine of the second worker. The first one's is everybody's, and is left alone. */
  readonly engine: SecondEngine;
  readonly workers: readonly [Worker, Worker];
  /** Where jobs on both engines reach a server of the round's. */
  readonly effects: EffectsAddress;
}

/** Locks that run out within a round, so that takeovers happen. */
export const LOCK_SECONDS = 12;

const TIMES = {
  CRONIUM_LOCK_SECONDS: String(LOCK_SECONDS),
  CRONIUM_STALLED_CHECK_SECONDS: '3',
  CRONIUM_SETUP_TIMEOUT_SECONDS: '120',
  CRONIUM_SLOTS: '4',
  CRONIUM_FORGOTTEN_SECONDS: String(3 * LOCK_SECONDS),
  // So that workers say which attempt's program they send to which container.
  CRONIUM_LOG_LEVEL: 'debug',
};

/** Starts all of it. Disposing fails when a process does not end well or something is left in Docker. */
export async function openBed(): Promise<Bed> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'chaos-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const [{ valkey, postgres }, engine] = await Promise.all([openStores(stack, folder), openEngine(stack)]);
  const fleet = stack.use(
    await TestFleet.start({
      env: { ...TIMES, CRONIUM_EGRESS_ALLOW_PRIVATE: `${engine.hostAddress}/32` },
      stores: { valkeyUrl: valkey.url, databaseUrl: postgres.url },
      isMeddledWith: true,
    }),
  );
  const host = await fleet.addHost(engine.dockerHost, engine.hostAddress);
  const { jobBash } = IMAGE_TAGS;
  const second = await fleet.addWorker({
    host,
    env: { CRONIUM_PYTHON_IMAGE: jobBash, CRONIUM_NODE_IMAGE: jobBash },
  });
  await second.ready();
  const [first] = fleet.workers;
  if (first === undefined) throw new Error('the fleet has no first worker');
  const owned = stack.move();
  return {
    ...{ fleet, valkey, postgres, engine },
    workers: [first, second],
    effects: { host: engine.hostAddress, port: fleet.webAddress.port },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Stores of a test's own, with their data in a folder of its own. */
export async function openStores(stack: AsyncDisposableStack, folder: string) {
  const [valkey, postgres] = [await openValkey(stack, folder), await openPostgres(stack, folder)];
  return { valkey, postgres };
}

async function openEngine(stack: AsyncDisposableStack): Promise<SecondEngine> {
  const { runtimeApi, jobBash } = IMAGE_TAGS;
  return stack.use(await startSecondEngine([runtimeApi, jobBash]));
}

/** SIGKILL for a store and all its processes; it is gone when this resolves. */
export async function killStore(store: LocalService): Promise<void> {
  const { pid } = store;
  if (pid === undefined) return;
  const exited = store.exited();
  await signalTree(pid, 'SIGKILL');
  await exited;
}

/** Starts a store again. What its killed predecessor left may be in its way for a moment. */
export async function startStore(store: LocalService): Promise<void> {
  await eventually(() => store.start().then(() => true), { what: 'the store is back', timeoutMs: 60_000 });
}
