import { LABEL, parseAttemptId, type Role } from '@cronium/contracts';
import { rangeOf } from './cidr.ts';
import { inspectContainer, isOwnedUpTo } from './containers.ts';
import { DaemonEpoch } from './daemon-epoch.ts';
import { DockerClient } from './docker.ts';
import { DockerSandbox, type SandboxContext } from './docker-sandbox.ts';
import { ContainerEvents } from './events.ts';
import { FleetImageStore } from './fleet-images.ts';
import { ImageStore } from './images.ts';
import { MemoryWatch } from './memory.ts';
import { takenRanges } from './network.ts';
import { DEFAULT_LIMITS, type DockerRuntimeOptions } from './options.ts';
import { Preparation, type PreparationTools } from './preparation.ts';
import type { Blocker } from './probe.ts';
import { Readiness } from './readiness.ts';
import { type Labelled, listLabelled, remainsOf, removeRemains } from './removal.ts';
import {
  type AttemptIdentity,
  type ObservedSandbox,
  type PreparationObserver,
  type Sandbox,
  type SandboxBinding,
  SandboxError,
  type SandboxRequest,
  type SandboxRuntime,
} from './runtime.ts';
import { SubnetAllocator } from './subnets.ts';
import { Toolkit } from './toolkit.ts';

/** Runs attempts in containers of the local Docker daemon. */
export class DockerSandboxRuntime implements SandboxRuntime {
  readonly #options: DockerRuntimeOptions;
  readonly #context: SandboxContext;
  readonly #readiness: Readiness;
  readonly #tools: PreparationTools;
  readonly #sandboxes = new Set<DockerSandbox>();
  #subnetsKnown: Promise<void> | undefined;

  /** Nothing is asked of the daemon yet: a worker starts, and says what is missing, also without one. */
  constructor(options: DockerRuntimeOptions) {
    this.#options = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    const client = new DockerClient(options.dockerHost, { callMs: limits.callMs, onCall: options.onCall });
    const { address, bits } = options.subnetRange;
    const subnets = new SubnetAllocator(rangeOf(address, bits), options.subnetBits, startFor(options.node));
    const epoch = new DaemonEpoch(options.dockerHost, limits.callMs);
    const events = new ContainerEvents(client, options.node, () => epoch.forget());
    const images = new FleetImageStore(new ImageStore(client, limits.pullMs), options.images);
    const probeCacheMs = limits.probeCacheMs;
    this.#readiness = new Readiness({ client, options, images, subnets, probeCacheMs });
    const losesNewlines = () => this.#readiness.losesNewlines;
    const { maskKey } = options;
    const memory = new MemoryWatch();
    this.#context = { client, events, epoch, memory, subnets, limits, losesNewlines, maskKey };
    this.#tools = {
      context: this.#context,
      options,
      images,
      toolkit: new Toolkit(client),
      clear: (request) => this.purge(request),
    };
    events.start();
    if (client.isLocal) this.#context.memory.start();
  }

  async prepare(
    request: SandboxRequest,
    observer: PreparationObserver,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    await this.#knowSubnets();
    const preparation = new Preparation(this.#tools, request, observer, signal);
    try {
      return this.#keep(await preparation.run());
    } catch (error) {
      preparation.close();
      await this.#undo(request, preparation.subnet);
      if (!signal.aborted) throw error;
      throw new SandboxError('aborted', `the preparation of ${request.attemptId} was given up`, {
        cause: signal.reason,
      });
    }
  }

  async adopt(binding: SandboxBinding): Promise<Sandbox | undefined> {
    const { client, events, subnets } = this.#context;
    const found = await inspectContainer(client, binding.containerId);
    if (found === undefined || found.Config.Labels[LABEL.attempt] !== binding.attemptId) return undefined;
    subnets.hold(binding.subnet);
    events.track(binding.containerId);
    events.track(binding.sidecarId);
    return this.#keep(new DockerSandbox(this.#context, binding));
  }

  async observe(): Promise<ObservedSandbox[]> {
    const byAttempt = Map.groupBy(await this.#ours(), ({ labels }) => labels[LABEL.attempt]);
    return [...byAttempt].flatMap(([attemptId, objects]) => {
      if (attemptId === undefined) return [];
      const job = objects.find((object) => object.labels[LABEL.role] === ('job' satisfies Role));
      return {
        ...parseAttemptId(attemptId),
        attemptId,
        containerId: job?.id,
        running: job?.running ?? false,
        createdAt: Math.max(...objects.map(createdAt)),
      };
    });
  }

  async purge(identity: AttemptIdentity): Promise<void> {
    const { client, limits } = this.#context;
    const objects = await listLabelled(client, [`${LABEL.job}=${identity.jobId}`]);
    const theirs = objects.filter(({ labels }) => isOwnedUpTo(labels, identity));
    await removeRemains(client, remainsOf(theirs), limits.releaseMs);
  }

  async reconcile(living: ReadonlySet<string>, graceMs: number, dryRun: boolean): Promise<string[]> {
    const { client, limits, subnets } = this.#context;
    const dead = (await this.#ours()).filter(
      (object) =>
        OWNED.has(object.labels[LABEL.role] ?? '') &&
        !living.has(object.labels[LABEL.attempt] ?? '') &&
        Date.now() - createdAt(object) > graceMs,
    );
    if (!dryRun) {
      await removeRemains(client, remainsOf(dead), limits.releaseMs);
      subnets.observe(await takenRanges(client));
    }
    return dead.map(({ kind, name }) => `${kind} ${name}`);
  }

  blockers(signal: AbortSignal): Promise<readonly Blocker[]> {
    return this.#readiness.check(signal);
  }

  capacity(): number {
    return this.#context.subnets.free;
  }

  /** Lets go of everything and leaves the sandboxes as they are, to be adopted by the next process. */
  async close(): Promise<void> {
    for (const sandbox of this.#sandboxes) sandbox.detach();
    this.#sandboxes.clear();
    await Promise.all([this.#context.events.close(), this.#context.memory.close()]);
    this.#context.epoch.close();
    this.#context.client.close();
  }

  #keep(sandbox: DockerSandbox): DockerSandbox {
    this.#sandboxes.add(sandbox);
    return sandbox;
  }

  /** What a failed preparation left; what cannot be removed now is the reconciler's. */
  async #undo(request: SandboxRequest, subnet: string | undefined): Promise<void> {
    try {
      await this.purge(request);
    } catch (error) {
      this.#options.logger.warn(
        { err: error, attempt: request.attemptId },
        'a failed preparation could not be removed; reconciliation will',
      );
    } finally {
      if (subnet !== undefined) this.#context.subnets.release(subnet);
    }
  }

  #ours(): Promise<Labelled[]> {
    return listLabelled(this.#context.client, [`${LABEL.node}=${this.#options.node}`]);
  }

  #knowSubnets(): Promise<void> {
    this.#subnetsKnown ??= takenRanges(this.#context.client).then(
      (taken) => this.#context.subnets.observe(taken),
      (error) => {
        this.#subnetsKnown = undefined;
        throw error;
      },
    );
    return this.#subnetsKnown;
  }
}

/** What belongs to an attempt, or to a probe that is over in seconds. */
const OWNED: ReadonlySet<string> = new Set<Role>(['job', 'runtime', 'network', 'probe']);

/** A runtime on the local Docker daemon; see {@link DockerRuntimeOptions}. */
export function createDockerRuntime(options: DockerRuntimeOptions): SandboxRuntime {
  return new DockerSandboxRuntime(options);
}

/** An object without the label is as old as can be. */
function createdAt({ labels }: Labelled): number {
  return Number(labels[LABEL.createdAt] ?? 0);
}

/** Two nodes on one daemon begin at different places of the range. */
function startFor(node: string): number {
  return [...node].reduce((sum, character) => (sum * 31 + character.charCodeAt(0)) % 65_521, 7);
}
