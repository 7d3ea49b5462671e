import {
  attemptIdOf,
  createNodeKey,
  type JobInput,
  jobSpec,
  LABEL,
  type NodeKey,
  newJobId,
  type QueuePayload,
} from '@cronium/contracts';
import {
  leakCheck,
  removeAll,
  testDocker,
  testEnvironment,
  testNodeName,
  testSubnetRange,
} from '@cronium/testing';
import type Docker from 'dockerode';
import { createDockerRuntime } from '../docker-runtime.ts';
import type { DockerRuntimeOptions } from '../options.ts';
import type {
  ContainerEvidence,
  ExitReport,
  LogItem,
  PhaseMarker,
  PreparationObserver,
  PreparationStep,
  Sandbox,
  SandboxRequest,
  SandboxRuntime,
  ServedAttempt,
} from '../runtime.ts';
import { type MinimalImages, minimalImages, testLabels } from './images.ts';

const WAIT_MS = 150_000;
const SILENT: PreparationObserver = { begin: () => undefined, end: () => undefined };

/** How a job went, all of it. */
export interface Ran {
  readonly exit: ExitReport;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly items: readonly LogItem[];
  readonly markers: readonly PhaseMarker[];
  readonly evidence: ContainerEvidence;
}

/**
 * A Docker runtime with a shared network on which `valkey` and `results` take connections. Everything that it or a test
 * leaves behind is an error at its end.
 */
export class SandboxFixture implements AsyncDisposable {
  readonly docker: Docker;
  readonly node: string;
  readonly images: MinimalImages;
  readonly options: DockerRuntimeOptions;
  readonly runtime: SandboxRuntime;
  readonly #runtimes: SandboxRuntime[] = [];

  static async create(options: Partial<DockerRuntimeOptions> = {}): Promise<SandboxFixture> {
    const docker = testDocker(options.dockerHost);
    // Another engine has them from the run's.
    return new SandboxFixture(docker, await minimalImages(testDocker()), await createNodeKey(), options);
  }

  private constructor(
    docker: Docker,
    images: MinimalImages,
    nodeKey: NodeKey,
    options: Partial<DockerRuntimeOptions>,
  ) {
    this.docker = docker;
    this.images = images;
    this.node = testNodeName();
    const [address = '', bits = ''] = testSubnetRange().split('/');
    this.options = {
      node: this.node,
      dockerHost: testEnvironment().dockerHost,
      sharedNetwork: `shared-${this.node}`,
      sharedNames: [
        { host: 'valkey', port: 6379 },
        { host: 'results', port: 7071 },
      ],
      subnetRange: { address, bits: Number(bits) },
      subnetBits: 28,
      images: { ...testEnvironment().images, runtime: images.runtime },
      maskKey: Buffer.alloc(32, 1),
      nodeKey,
      idleSlots: 2,
      prefix: '{test}',
      egressAllowPrivate: [],
      services: [],
      logMaxBytes: 64 * 1024 * 1024,
      logger: { debug: () => undefined, info: () => undefined, warn: () => undefined },
      ...options,
    };
    this.runtime = this.anotherRuntime();
  }

  /** A second runtime of the same node, as a restarted worker would have. */
  anotherRuntime(options: Partial<DockerRuntimeOptions> = {}): SandboxRuntime {
    const runtime = createDockerRuntime({ ...this.options, ...options });
    this.#runtimes.push(runtime);
    return runtime;
  }

  /** Makes the shared network and the services on it. */
  async share(): Promise<void> {
    await this.docker.createNetwork({
      Name: this.options.sharedNetwork,
      CheckDuplicate: true,
      Labels: testLabels(this.node),
      IPAM: { Driver: 'default', Config: [{ Subnet: this.#sharedSubnet() }] },
    });
    for (const { host, port } of this.options.sharedNames) await this.serve(host, port);
  }

  /** Something that takes connections on the shared network under a name, and answers each by a program. */
  async serve(
    alias: string,
    port: number,
    program: readonly string[] = ['/bin/true'],
  ): Promise<Docker.Container> {
    const container = await this.docker.createContainer({
      Image: this.images.job,
      Labels: testLabels(this.node),
      Entrypoint: ['/bin/nc', '-ll', '-p', String(port), '-e', ...program],
      HostConfig: { NetworkMode: this.options.sharedNetwork },
      NetworkingConfig: { EndpointsConfig: { [this.options.sharedNetwork]: { Aliases: [alias] } } },
    });
    await container.start();
    return container;
  }

  request(
    input: JobInput,
    identity: { jobId?: string; attempt?: number; secrets?: Readonly<Record<string, string>> } = {},
  ): SandboxRequest {
    const spec = jobSpec.parse(input);
    const { jobId = newJobId(), attempt = 1, secrets = {} } = identity;
    const payload: QueuePayload = {
      v: 1,
      spec,
      tenant: 'test',
      traceId: '0af7651916cd43dd8448eb211c80319c',
      receivedAt: 0,
      acceptedAt: 0,
      attemptBase: 0,
      postponed: 0,
    };
    const attemptId = attemptIdOf(jobId, attempt);
    const executionToken = `token-of-${attemptId}`;
    return { jobId, attempt, attemptId, payload, spec, executionToken, secrets };
  }

  /** For an adoption whose sidecar lives. */
  get served(): ServedAttempt {
    return this.request(this.shell('true'));
  }

  prepare(
    input: JobInput,
    options: Parameters<SandboxFixture['request']>[1] & {
      signal?: AbortSignal;
      observer?: PreparationObserver;
    } = {},
  ): Promise<Sandbox> {
    const { signal = AbortSignal.timeout(WAIT_MS), observer = SILENT } = options;
    return this.runtime.prepare(this.request(input, options), observer, signal);
  }

  /** A shell script in the minimal image. */
  shell(source: string, more: Partial<JobInput> = {}): JobInput {
    return {
      ...more,
      type: 'container',
      image: this.images.job,
      command: ['/bin/sh', '-c', source],
      args: [],
    } as JobInput;
  }

  /** Runs a job from its preparation to its release. */
  async run(input: JobInput): Promise<Ran> {
    const sandbox = await this.prepare(input);
    try {
      await sandbox.launch();
      return await this.follow(sandbox);
    } finally {
      await sandbox.release();
    }
  }

  /** Reads a launched job to its end. */
  async follow(sandbox: Sandbox, signal: AbortSignal = AbortSignal.timeout(WAIT_MS)): Promise<Ran> {
    const items = await collect(sandbox.output({ stdout: 0, stderr: 0 }, signal));
    const exit = await sandbox.exit(signal);
    return {
      exit,
      items,
      stdout: bytesOf(items, 'stdout'),
      stderr: bytesOf(items, 'stderr'),
      markers: items.flatMap((item) => (item.type === 'marker' ? [item.marker] : [])),
      evidence: sandbox.evidence(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const runtime of this.#runtimes) await runtime.close();
    const filters = { label: [`${LABEL.node}=${this.node}`] };
    for (const { Id, Labels } of await this.docker.listContainers({ all: true, filters })) {
      // What the test itself made has no role.
      if (Labels[LABEL.role] === undefined)
        await this.docker.getContainer(Id).remove({ force: true, v: true });
    }
    const left = (await leakCheck(this.docker, this.node)).filter(
      (name) => name !== `network ${this.options.sharedNetwork}`,
    );
    await removeAll(this.docker, this.node);
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  }

  /** The last /24 of the range: jobs' subnets begin elsewhere. */
  #sharedSubnet(): string {
    const { address } = this.options.subnetRange;
    const [a, b, c = ''] = address.split('.');
    return `${a}.${b}.${Number(c) + 15}.0/24`;
  }
}

export async function collect<T>(items: AsyncIterable<T> | Iterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** What the job wrote to a stream, put together from its records. */
export function bytesOf(items: readonly LogItem[], stream: 'stdout' | 'stderr'): Buffer {
  return Buffer.concat(
    items.flatMap((item) => {
      if (item.type !== 'record' || item.record.stream !== stream || item.record.notice) return [];
      return item.record.newline ? [item.record.bytes, Buffer.from('\n')] : [item.record.bytes];
    }),
  );
}

/** Notes how long each step of a preparation took, in milliseconds. */
export class StepTimes implements PreparationObserver {
  readonly times = new Map<PreparationStep, number>();
  readonly #began = new Map<PreparationStep, number>();

  begin(step: PreparationStep): void {
    this.#began.set(step, performance.now());
  }

  end(step: PreparationStep): void {
    this.times.set(step, performance.now() - (this.#began.get(step) ?? 0));
  }
}
