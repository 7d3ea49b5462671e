import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createTestDatabase,
  dropKeys,
  leakCheck,
  removeAll,
  testDocker,
  testEnvironment,
  testNodeName,
  testPrefix,
  testSubnetRange,
} from '@cronium/testing';
import type Docker from 'dockerode';
import { vi } from 'vitest';
import {
  type FleetFacts,
  producerEnvironment,
  resultsEnvironment,
  workerEnvironment,
} from '../../local/fleet/environments.ts';
import { Jobs, WAIT_MS } from './jobs.ts';
import { Service } from './service.ts';
import { openSharedNetwork, type SharedNetwork } from './shared-network.ts';

/** A Docker engine with a shared network of the test's fleet. */
export interface Host {
  readonly dockerHost: string;
  readonly docker: Docker;
  readonly shared: SharedNetwork;
}

/** How a worker is started. */
export interface WorkerOptions {
  /** Default: the engine of this run. */
  readonly host?: Host;
  readonly env?: Readonly<Record<string, string>>;
}

/** A worker's process, its node's name and the engine that it drives. */
export interface Worker extends Service {
  readonly node: string;
  readonly host: Host;
}

/** How a fleet is started. */
export interface TestFleetOptions {
  /** One worker for each. Default: one. */
  readonly workers?: readonly WorkerOptions[];
  /** For all services. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where Valkey and PostgreSQL (its administrator) are. Default: those of this run. */
  readonly stores?: Stores;
  /** Its sidecars are killed by hand. */
  readonly isMeddledWith?: boolean;
}

/** The stores of a fleet. */
export interface Stores {
  readonly valkeyUrl: string;
  readonly databaseUrl: string;
}

vi.setConfig({ testTimeout: 2 * WAIT_MS, hookTimeout: 2 * WAIT_MS });

const FIRST_PORT = 20_000;
/** Producer, results, seven workers, and a web server of the test's own. */
const PORTS_EACH = 10;
const RANGES_FROM = 192;

/** Short times, so that what tests wait for comes soon; a long lock, so that a machine that stands still loses no job. */
const TIMES = {
  CRONIUM_LOCK_SECONDS: '60',
  CRONIUM_STALLED_CHECK_SECONDS: '2',
  CRONIUM_STOP_GRACE_SECONDS: '1',
  CRONIUM_DRAIN_SECONDS: '5',
  CRONIUM_SHUTDOWN_SECONDS: '60',
  CRONIUM_SLOTS: '4',
};

/**
 * A fleet of real processes on real engines: producer, results and workers with the environments of the local fleet, and
 * a database, a key prefix, ports, node names and a shared network of its own. Disposing of it ends all in order, and
 * fails when a process did not end well or something is left in Docker.
 */
export class TestFleet extends Jobs implements AsyncDisposable {
  readonly host: Host;
  readonly producer: Service;
  readonly results: Service;
  readonly workers: Worker[] = [];
  /** Where a web server of the test can be reached by jobs with egress. */
  readonly webAddress: { readonly host: string; readonly port: number };
  readonly facts: FleetFacts;
  readonly #range: string;
  readonly #stack: AsyncDisposableStack;
  /** The shared networks: they go when the workers have gone, whose sidecars are on them. */
  readonly #hosts: AsyncDisposableStack;
  readonly #isMeddledWith: boolean;

  private constructor(
    facts: FleetFacts,
    parts: {
      readonly host: Host;
      readonly range: string;
      readonly stack: AsyncDisposableStack;
      readonly hosts: AsyncDisposableStack;
      readonly isMeddledWith: boolean;
    },
  ) {
    const producer = new Service({ name: 'producer', part: 'producer', env: producerEnvironment(facts) });
    const results = new Service({ name: 'results', part: 'results', env: resultsEnvironment(facts) });
    super({ producerUrl: producer.url, resultsUrl: results.url, apiKey: facts.apiKey });
    this.facts = facts;
    this.producer = producer;
    this.results = results;
    this.host = parts.host;
    this.webAddress = { host: parts.host.shared.gateway, port: facts.ports.demo };
    this.#range = parts.range;
    this.#stack = parts.stack;
    this.#hosts = parts.hosts;
    this.#isMeddledWith = parts.isMeddledWith;
  }

  /** Resolves when all services are ready. */
  static async start(options: TestFleetOptions = {}): Promise<TestFleet> {
    const { workers = [{}], env = {}, stores = testEnvironment(), isMeddledWith = false } = options;
    const stack = new AsyncDisposableStack();
    try {
      const range = testSubnetRange();
      const facts = await bringFacts(stack, { range, env, stores });
      const { dockerHost } = testEnvironment();
      const hosts = stack.use(new AsyncDisposableStack());
      const host = await openHost(hosts, { facts, dockerHost, isMeddledWith });
      const fleet = new TestFleet(
        { ...facts, gateways: [host.shared.gateway] },
        { host, range, stack, hosts, isMeddledWith },
      );
      stack.defer(() => fleet.#stopAll());
      await Promise.all([fleet.results.start(), fleet.producer.start()]);
      await Promise.all(workers.map((worker) => fleet.addWorker(worker)));
      await Promise.all([fleet.results, fleet.producer, ...fleet.workers].map((one) => one.ready()));
      return fleet;
    } catch (error) {
      await stack.disposeAsync();
      throw error;
    }
  }

  /** Starts one more worker. It listens when this resolves, and may not be ready yet. */
  async addWorker({ host = this.host, env = {} }: WorkerOptions = {}): Promise<Worker> {
    const node = testNodeName();
    const port = this.facts.ports.results + 1 + this.workers.length;
    const variables = workerEnvironment(this.facts, {
      ...{ node, port },
      dockerHost: host.dockerHost,
      network: host.shared.name,
    });
    const service = new Service({
      name: node,
      part: 'worker',
      env: { ...variables, CRONIUM_SUBNET_RANGE: this.#range, ...env },
    });
    const worker = Object.assign(service, { node, host });
    this.workers.push(worker);
    await worker.start();
    return worker;
  }

  /** Makes a shared network on another engine, from where this machine is reached at the address. */
  addHost(dockerHost: string, hostAddress: string): Promise<Host> {
    const isMeddledWith = this.#isMeddledWith;
    return openHost(this.#hosts, { facts: this.facts, dockerHost, hostAddress, isMeddledWith });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  /** Workers first: what they still run is reported to the others. */
  async #stopAll(): Promise<void> {
    const services = [...this.workers, this.producer, this.results];
    try {
      await Promise.all(this.workers.map((worker) => worker.stop()));
      await Promise.all([this.producer.stop(), this.results.stop()]);
      await this.#refuseLeaks();
    } finally {
      await Promise.allSettled(services.map((service) => service.end()));
      for (const { host, node } of this.workers) await removeAll(host.docker, node);
      await keepLogs(services);
    }
  }

  async #refuseLeaks(): Promise<void> {
    const left = await Promise.all(this.workers.map(({ host, node }) => leakCheck(host.docker, node)));
    if (left.flat().length > 0) throw new Error(`left behind in Docker: ${left.flat().join(', ')}`);
  }
}

async function bringFacts(
  stack: AsyncDisposableStack,
  options: {
    readonly range: string;
    readonly env: Readonly<Record<string, string>>;
    readonly stores: Stores;
  },
): Promise<FleetFacts> {
  const { range, env, stores } = options;
  const { valkeyUrl } = stores;
  const database = stack.use(await createTestDatabase(stores.databaseUrl));
  const prefix = testPrefix();
  stack.defer(async () => void (await dropKeys(prefix, valkeyUrl)));
  const home = await mkdtemp(join(tmpdir(), 'fleet-'));
  stack.defer(() => rm(home, { recursive: true, force: true, maxRetries: 5 }));
  return {
    env: { ...inherited(), ...TIMES, CRONIUM_PREFIX: prefix, ...env },
    home,
    ports: portsFor(range),
    valkeyUrl,
    databaseUrl: database.url,
    apiKey: `ck_${randomBytes(16).toString('hex')}`,
    secretsKey: randomBytes(32).toString('base64'),
    gateways: [],
  };
}

async function openHost(
  stack: AsyncDisposableStack,
  options: {
    readonly facts: FleetFacts;
    readonly dockerHost: string;
    readonly hostAddress?: string;
    readonly isMeddledWith: boolean;
  },
): Promise<Host> {
  const { facts, dockerHost, hostAddress, isMeddledWith } = options;
  const shared = stack.use(
    await openSharedNetwork({
      ...{ dockerHost, hostAddress, mayBeMiscounted: isMeddledWith },
      node: testNodeName(),
      valkeyUrl: facts.valkeyUrl,
      resultsPort: facts.ports.results,
    }),
  );
  return { dockerHost, docker: testDocker(dockerHost), shared };
}

function inherited(): Record<string, string | undefined> {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return { PATH, NODE_COMPILE_CACHE };
}

/** The subnet range is this process's alone on the machine, and with it the ports that follow from it. */
function portsFor(range: string): FleetFacts['ports'] {
  const [, second = 0, third = 0] = range.split('/')[0]?.split('.').map(Number) ?? [];
  const slot = ((second - RANGES_FROM) * 256 + third) / 16;
  const base = FIRST_PORT + slot * PORTS_EACH;
  return { producer: base, results: base + 1, workers: [], demo: base + PORTS_EACH - 1 };
}

/** For people who look for the reason of a failure: CRONIUM_TEST_LOGS names a folder. */
async function keepLogs(services: readonly Service[]): Promise<void> {
  const folder = process.env.CRONIUM_TEST_LOGS;
  if (folder === undefined) return;
  await mkdir(folder, { recursive: true });
  await Promise.all(services.map((service) => service.writeLog(folder)));
}
