import { type JobSpec, LABEL, parseAttemptId, type Role } from '@cronium/contracts';
import { Batches } from './batch/batches.ts';
import { rangeOf } from './cidr.ts';
import { inspectContainer, isOwnedUpTo } from './containers.ts';
import { DaemonEpoch } from './daemon-epoch.ts';
import { DockerClient } from './docker.ts';
import { DockerSandbox, type SandboxContext } from './docker-sandbox.ts';
import { ContainerEvents } from './events.ts';
import { FleetImageStore } from './fleet-images.ts';
import { ImageStore } from './images.ts';
import { MemoryWatch } from './memory.ts';
import { DEFAULT_LIMITS, type DockerRuntimeOptions } from './options.ts';
import { Preparation, type PreparationTools } from './preparation.ts';
import type { Blocker } from './probe.ts';
import { Readiness } from './readiness.ts';
import { createdAt, type Labelled, listLabelled, remainsOf, removeJob, removeRemains } from './removal.ts';
import {
  type AttemptIdentity,
  type ExpectedAttempt,
  type ObservedSandbox,
  type PreparationObserver,
  type ReconcileOptions,
  type RuntimeFacts,
  type Sandbox,
  type SandboxBinding,
  SandboxError,
  type SandboxRequest,
  type SandboxRuntime,
  type ServedAttempt,
} from './runtime.ts';
import { requireOffered } from './services.ts';
import { takenRanges } from './slot/network.ts';
import { dutyOf } from './slot/sidecar.ts';
import type { Slot } from './slot/slot.ts';
import { SlotPool } from './slot/slots.ts';
import { SubnetAllocator, startFor } from './subnets.ts';
import { Toolkit } from './toolkit.ts';
import { ImageEvents } from './warm/image-events.ts';
import { WarmPool } from './warm/warm-pool.ts';
import { WarmStarts } from './warm/warm-start.ts';

/** Runs attempts in containers of the local Docker daemon. */
export class DockerSandboxRuntime implements SandboxRuntime {
  readonly #options: DockerRuntimeOptions;
  readonly #context: SandboxContext;
  readonly #readiness: Readiness;
  readonly #tools: PreparationTools;
  readonly #slots: SlotPool;
  readonly #warm: WarmPool;
  readonly #warmStarts: WarmStarts;
  readonly #batches: Batches;
  readonly #imageEvents: ImageEvents;
  readonly #sandboxes = new Set<DockerSandbox>();
  /** The attempts that have a slot, by slot: those of this process, and those of a former one that the journal knows. */
  readonly #occupied = new Map<string, SandboxBinding>();
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
    const images = new FleetImageStore(
      new ImageStore(client, { pullMs: limits.pullMs, authFile: options.registryAuthFile }),
      options.images,
    );
    const probeCacheMs = limits.probeCacheMs;
    this.#readiness = new Readiness({ client, options, images, subnets, probeCacheMs });
    const losesNewlines = () => this.#readiness.losesNewlines;
    const { maskKey, logger } = options;
    const memory = new MemoryWatch();
    const context = { client, events, epoch, memory, subnets, limits, losesNewlines, maskKey, logger };
    this.#context = context;
    this.#slots = new SlotPool({
      context,
      options,
      images,
      maxKept: () => this.#warm.maxSlots,
      spare: () => this.#warm.spare(),
    });
    this.#tools = {
      ...{ context, options, images, slots: this.#slots },
      toolkit: new Toolkit(client),
      leave: (binding, slot) => this.#leave(binding, slot),
      mayReplace: (request, { id, labels }) => this.#mayReplace(request, id, labels),
    };
    this.#warm = new WarmPool(this.#tools);
    this.#warmStarts = new WarmStarts(this.#tools, this.#warm);
    const removeSlotOf = (binding: SandboxBinding) => this.#removeSlotOf(binding);
    this.#batches = new Batches({ ...this.#tools, removeSlotOf });
    this.#imageEvents = new ImageEvents(client, () => {
      images.forget();
      this.#warm.tend();
    });
    this.#imageEvents.start();
    events.start();
    if (client.isLocal) this.#context.memory.start();
  }

  begin(attempt: ExpectedAttempt): Disposable {
    return this.#warmStarts.begin(attempt);
  }

  async prepare(
    request: SandboxRequest,
    observer: PreparationObserver,
    signal: AbortSignal,
  ): Promise<Sandbox> {
    requireOffered(request.spec, this.#options);
    await this.#knowSubnets();
    await this.#fence(request);
    const shared = await this.#batches.prepare(request, observer, signal);
    if (shared !== undefined) return shared;
    const warm = await this.#warmStarts.start({ request, observer, signal });
    if (warm !== undefined) return this.#keep(warm);
    const preparation = new Preparation(this.#tools, request, observer, signal);
    try {
      return this.#keep(await preparation.run());
    } catch (error) {
      await this.#undo(request, preparation);
      if (!signal.aborted) throw error;
      throw new SandboxError('aborted', `the preparation of ${request.attemptId} was given up`, {
        cause: signal.reason,
      });
    }
  }

  forecast(specs: readonly JobSpec[] | undefined): void {
    // Those of a batch share containers: none of their own is kept ready.
    this.#warm.forecast(specs?.filter(({ isolation }) => isolation === 'job'));
  }

  expect(binding: SandboxBinding): void {
    this.#context.subnets.hold(binding.subnet);
    if (binding.batch === undefined) this.#occupied.set(binding.slot, binding);
    else this.#batches.expect(binding);
  }

  async adopt(binding: SandboxBinding, served: ServedAttempt): Promise<Sandbox | undefined> {
    const { client, events } = this.#context;
    const found = await inspectContainer(client, binding.containerId);
    if (found === undefined) return undefined;
    const { containerId, sidecarId, holderId } = binding;
    for (const id of [containerId, sidecarId, holderId]) events.track(id);
    if (binding.batch !== undefined)
      return this.#batches.adopt(binding, dutyOf(binding, served, this.#options));
    // Of this very process when its log broke off: the slot is with the first one.
    const isOurs = this.#slots.has(binding.slot);
    if (!isOurs) this.expect(binding);
    const leave = async () => {
      this.#sandboxes.delete(sandbox);
      if (!isOurs) await this.#removeSlotOf(binding);
    };
    const sandbox = new DockerSandbox(this.#context, binding, {
      leave,
      duty: dutyOf(binding, served, this.#options),
    });
    this.#sandboxes.add(sandbox);
    return sandbox;
  }

  async observe(): Promise<ObservedSandbox[]> {
    const byAttempt = Map.groupBy(await this.#ours(), (object) => this.#attemptOf(object));
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
    const isTheirs = (binding: SandboxBinding) =>
      binding.jobId === identity.jobId && binding.attempt <= identity.attempt;
    const known = [...this.#sandboxes].filter(({ binding }) => isTheirs(binding));
    await Promise.all([this.#batches.purge(identity), ...known.map((sandbox) => sandbox.release())]);
    const objects = await listLabelled(client, [`${LABEL.job}=${identity.jobId}`]);
    const labelled = objects.filter(({ labels }) => isOwnedUpTo(labels, identity));
    await removeRemains(client, remainsOf(labelled), limits.releaseMs);
    const left = [...this.#occupied.values()].filter(isTheirs);
    await Promise.all(left.map((binding) => this.#removeSlotOf(binding)));
  }

  async reconcile(
    living: ReadonlySet<string>,
    { graceMs, dryRun, mayRemove = () => true }: ReconcileOptions,
  ): Promise<string[]> {
    const { client, limits, subnets } = this.#context;
    const dead = (await this.#ours()).filter((object) => this.#isDead(object, living, graceMs));
    // Sure now, the name was ours when this was listed: nothing in it is another worker's.
    if (!mayRemove()) return [];
    if (!dryRun) {
      await removeRemains(client, remainsOf(dead), limits.releaseMs);
      subnets.observe(await takenRanges(client));
    }
    const volumes = await this.#tools.toolkit.unused({ graceMs, dryRun });
    return [...dead.map(({ kind, name }) => `${kind} ${name}`), ...volumes.map((name) => `volume ${name}`)];
  }

  blockers(signal: AbortSignal): Promise<readonly Blocker[]> {
    return this.#readiness.check(signal);
  }

  facts(): RuntimeFacts | undefined {
    return this.#readiness.facts;
  }

  capacity(): number {
    return this.#context.subnets.free + this.#slots.idle + this.#warm.size;
  }

  async close(): Promise<void> {
    for (const sandbox of this.#sandboxes) sandbox.detach();
    this.#sandboxes.clear();
    await this.#batches.close();
    await this.#warm.close();
    await this.#slots.close();
    await this.#readiness.close();
    await this.#imageEvents.close();
    await Promise.all([this.#context.events.close(), this.#context.memory.close()]);
    this.#context.epoch.close();
    this.#context.client.close();
  }

  #keep(sandbox: DockerSandbox): DockerSandbox {
    this.#sandboxes.add(sandbox);
    this.#occupied.set(sandbox.binding.slot, sandbox.binding);
    return sandbox;
  }

  /** Of a job there is one container at most: those of former attempts go first. @throws SandboxError for an older attempt */
  async #fence(request: SandboxRequest): Promise<void> {
    const { jobId, attempt, attemptId } = request;
    await this.#batches.fence(request);
    const others = [...this.#occupied.values()].filter((binding) => binding.jobId === jobId);
    if (others.some((binding) => binding.attempt > attempt)) {
      throw new SandboxError('docker', `a newer attempt than ${attemptId} has a container on this node`, {
        statusCode: 409,
      });
    }
    await Promise.all(others.map((binding) => this.#removeContainerOf(binding)));
  }

  /** Of a sandbox of this process nothing is renamed any more then: Docker lists a container for ever that is renamed while it is removed. */
  async #removeContainerOf(binding: SandboxBinding): Promise<void> {
    const { client, limits } = this.#context;
    const own = [...this.#sandboxes].find((sandbox) => sandbox.binding === binding);
    if (own !== undefined) await own.removeContainer();
    else await removeJob(client, binding.containerId, limits.releaseMs);
  }

  async #leave(binding: SandboxBinding, slot: Slot): Promise<void> {
    this.#occupied.delete(binding.slot);
    for (const sandbox of this.#sandboxes) if (sandbox.binding === binding) this.#sandboxes.delete(sandbox);
    await this.#slots.release(slot);
    this.#warm.tend();
  }

  /** What a failed preparation left; what cannot be removed now is the reconciler's. */
  async #undo(request: SandboxRequest, preparation: Preparation): Promise<void> {
    try {
      await preparation.undo();
      await this.purge(request);
    } catch (error) {
      this.#options.logger.warn(
        { err: error, attempt: request.attemptId },
        'a failed preparation could not be removed; reconciliation will',
      );
    }
  }

  /** A slot of a former process is not used again: the line to its sidecar is gone. */
  async #removeSlotOf({ slot, containerId, sidecarId, holderId, networkId, subnet }: SandboxBinding) {
    const { client, events, limits, subnets } = this.#context;
    const containers = [containerId, sidecarId, holderId];
    for (const id of containers) events.forget(id);
    await removeRemains(client, { containers, networks: [networkId] }, limits.releaseMs);
    this.#occupied.delete(slot);
    subnets.release(subnet);
  }

  #mayReplace(request: SandboxRequest, id: string, labels: Readonly<Record<string, string>>): boolean {
    const former = [...this.#occupied.values()].find(({ containerId }) => containerId === id);
    if (former !== undefined) return former.jobId === request.jobId && former.attempt <= request.attempt;
    return isOwnedUpTo(labels, request);
  }

  /** Of whatever stands in a slot: the attempt that has the slot. */
  #attemptOf({ labels }: Labelled): string | undefined {
    const slot = labels[LABEL.slot] ?? '';
    return labels[LABEL.attempt] ?? this.#occupied.get(slot)?.attemptId ?? this.#batches.attemptIn(slot);
  }

  #isDead(object: Labelled, living: ReadonlySet<string>, graceMs: number): boolean {
    const { labels } = object;
    if (this.#batches.isNeeded(labels[LABEL.slot] ?? '')) return false;
    const attempt = this.#attemptOf(object);
    if (attempt !== undefined) return !living.has(attempt) && Date.now() - createdAt(object) > graceMs;
    const slot = labels[LABEL.slot];
    if (slot !== undefined) return !this.#slots.has(slot);
    return OWNED.has(labels[LABEL.role] ?? '') && Date.now() - createdAt(object) > graceMs;
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

/** What belongs to an attempt or a slot, or to a probe that is over in seconds. */
const OWNED: ReadonlySet<string> = new Set<Role>(['job', 'runtime', 'network', 'probe']);

/** A runtime on the local Docker daemon; see {@link DockerRuntimeOptions}. */
export function createDockerRuntime(options: DockerRuntimeOptions): SandboxRuntime {
  return new DockerSandboxRuntime(options);
}
