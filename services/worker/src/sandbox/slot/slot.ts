import {
  holderName,
  JOB_HOST,
  LABEL,
  networkName,
  newSlotId,
  type Role,
  RUNTIME_HOST,
  sidecarName,
  TOOLKIT_SOURCE,
} from '@cronium/contracts';
import { deadline } from '@cronium/lifecycle';
import type { ContainerCreateOptions } from 'dockerode';
import { createContainer, renameContainer, startContainer } from '../containers.ts';
import type { SandboxContext } from '../docker-sandbox.ts';
import type { FleetImageStore } from '../fleet-images.ts';
import type { ImageFacts } from '../images.ts';
import { HARDENED, JOB_USER, NO_FORWARDING } from '../job-container.ts';
import type { DockerRuntimeOptions } from '../options.ts';
import { listLabelled, remainsOf, removeRemains } from '../removal.ts';
import { SandboxError } from '../runtime.ts';
import { serviceHosts, serviceRoutes } from '../services.ts';
import { createSlotNetwork, type SlotNetwork } from './network.ts';
import { bindCommand, type Sidecar, type SidecarDuty, startSidecar } from './sidecar.ts';
import type { SidecarLine } from './sidecar-line.ts';

const MIB = 1024 * 1024;
const UNBIND_MS = 5000;

export interface SlotTools {
  readonly context: SandboxContext;
  readonly options: DockerRuntimeOptions;
  readonly images: FleetImageStore;
}

/**
 * Where one job at a time can run: a network of its own, a tiny container that holds the job's network namespace on it,
 * and a sidecar on this network and the shared one. None of them runs user code, so they serve one job after another;
 * the job's container joins the holder's namespace and is never used again.
 *
 * A slot is made in the background from its construction on: whoever needs a part of it waits for that part.
 */
export class Slot {
  readonly id: string = newSlotId();
  readonly madeAt: number = performance.now();
  readonly network: Promise<SlotNetwork>;
  /** The holder's container id, once it runs. */
  readonly holder: Promise<string>;
  readonly #sidecar: Promise<Sidecar>;
  readonly #tools: SlotTools;
  #ready: { readonly holderId: string; readonly sidecar: Sidecar } | undefined;
  #uses = 0;
  #isBound = false;
  /** Whom the sidecar is named after, and whom it is to be named after. */
  #namesake: string | undefined = this.id;
  #wanted: string = this.id;
  #renamed: Promise<void> = Promise.resolve();
  #isGoing = false;

  constructor(tools: SlotTools) {
    this.#tools = tools;
    const image = tools.images.runtime(AbortSignal.timeout(tools.context.limits.pullMs));
    this.network = this.#makeNetwork();
    this.holder = this.#makeHolder(image);
    this.#sidecar = this.#makeSidecar(image);
    const all = Promise.all([this.network, this.holder, this.#sidecar]);
    all.then(
      ([, holderId, sidecar]) => {
        this.#ready = { holderId, sidecar };
      },
      // Whoever waits for a part is told.
      () => undefined,
    );
    for (const part of [this.network, this.holder, this.#sidecar]) part.catch(() => undefined);
  }

  /** How many attempts it has served, the present one included. */
  get uses(): number {
    return this.#uses;
  }

  /** Complete, and nothing of it has died as far as is known. */
  get isSound(): boolean {
    if (this.#ready === undefined) return false;
    const { holderId, sidecar } = this.#ready;
    const { events } = this.#tools.context;
    return sidecar.line.isOpen && !events.hasAnyDied(holderId, sidecar.id);
  }

  /** The sidecar's container id, once it is ready. */
  async sidecarId(): Promise<string> {
    return (await this.#sidecar).id;
  }

  /** The line to the sidecar, once it is ready. */
  get line(): SidecarLine | undefined {
    return this.#ready?.sidecar.line;
  }

  /** Gives the slot to an attempt. When this resolves, the sidecar serves it and nobody else. */
  async bind(request: SidecarDuty['request'], signal?: AbortSignal): Promise<void> {
    const { context, options } = this.#tools;
    const [network, { line }] = await Promise.all([this.network, this.#sidecar]);
    const services = serviceRoutes(request.spec, options.services, network);
    this.#uses += 1;
    this.#isBound = true;
    using limit = deadline(context.limits.sidecarReadyMs, 'the sidecar was not bound in time', signal);
    await line.ask(bindCommand({ request, options, services }), limit);
  }

  /**
   * Takes the slot back: when this resolves, the sidecar has forgotten the attempt and closed its connections, and is well.
   * @throws SandboxError `sidecar` when it can serve no other attempt
   */
  async unbind(): Promise<void> {
    const { line } = await this.#sidecar;
    if (!this.#isBound) return;
    using limit = deadline(UNBIND_MS, 'the sidecar was not unbound in time');
    await line.ask({ type: 'unbind' }, limit);
    const problem = await line.health(limit);
    if (problem !== undefined) throw new SandboxError('sidecar', `it serves no other attempt: ${problem}`);
    this.#isBound = false;
  }

  /** Names the sidecar after a job, or the slot itself: soon, and only if it is still wanted then. */
  nameFor(jobOrSlot: string): void {
    this.#wanted = jobOrSlot;
    // A name that is taken, or a daemon that is away, is no reason to trouble a job.
    this.#renamed = this.#renamed.then(() => this.#rename()).catch(() => undefined);
  }

  async #rename(): Promise<void> {
    const { client } = this.#tools.context;
    const { id } = await this.#sidecar;
    await client.endpoints.rename(async () => {
      const [before, wanted] = [this.#namesake, this.#wanted];
      if (this.#isGoing || wanted === before) return;
      // Not known until the daemon has answered.
      this.#namesake = undefined;
      this.#namesake = (await renameContainer(client, id, sidecarName(wanted))) ? wanted : before;
    });
  }

  /** Resolves when everything is made, or has failed and goes on no more. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.network, this.holder, this.#sidecar]);
  }

  /** Lets go of the sidecar and leaves everything as it is: a successor may adopt the job in it. */
  detach(): void {
    this.#sidecar.then(({ line }) => line.close()).catch(() => undefined);
  }

  /** Removes all of it, and what stands in it. Idempotent. */
  async destroy(): Promise<void> {
    this.#isGoing = true;
    const { client, events, limits, subnets } = this.#tools.context;
    await this.settled();
    this.detach();
    try {
      const objects = await listLabelled(client, [`${LABEL.slot}=${this.id}`]);
      for (const { id } of objects) events.forget(id);
      await removeRemains(client, remainsOf(objects), limits.releaseMs);
    } finally {
      const [network] = await Promise.allSettled([this.network]);
      if (network.status === 'fulfilled') subnets.release(network.value.cidr);
    }
  }

  /** The labels of what belongs to this slot. */
  labels(role: Role): Record<string, string> {
    return {
      [LABEL.managed]: 'true',
      [LABEL.node]: this.#tools.options.node,
      [LABEL.role]: role,
      [LABEL.slot]: this.id,
      [LABEL.createdAt]: String(Date.now()),
    };
  }

  #makeNetwork(): Promise<SlotNetwork> {
    const { client, subnets, limits } = this.#tools.context;
    return createSlotNetwork(client, subnets, {
      name: networkName(this.id),
      labels: this.labels('network'),
      clear: async () => {
        const objects = await listLabelled(client, [`${LABEL.slot}=${this.id}`]);
        await removeRemains(client, remainsOf(objects), limits.releaseMs);
      },
    });
  }

  async #makeHolder(runtime: Promise<ImageFacts>): Promise<string> {
    const { client, events } = this.#tools.context;
    const { services } = this.#tools.options;
    const [network, image] = await Promise.all([this.network, runtime]);
    const options = holderOptions({ network, image, services, labels: this.labels('holder') });
    const id = await createContainer(client, {
      name: holderName(this.id),
      options,
      mayReplace: (_, labels) => this.#isOurs(labels),
    });
    events.track(id);
    await startContainer(client, id);
    return id;
  }

  async #makeSidecar(runtime: Promise<ImageFacts>): Promise<Sidecar> {
    const { context, options } = this.#tools;
    const [network, image] = await Promise.all([this.network, runtime]);
    return startSidecar(context.client, {
      slot: this.id,
      network,
      image,
      options,
      labels: this.labels('runtime'),
      readyMs: context.limits.sidecarReadyMs,
      onCreated: (id) => context.events.track(id),
      mayReplace: (_, labels) => this.#isOurs(labels),
    });
  }

  #isOurs(labels: Readonly<Record<string, string>>): boolean {
    return labels[LABEL.slot] === this.id;
  }
}

/** What a holder is created with: it sleeps. Names, addresses and kernel settings of the namespace are given here. */
function holderOptions({
  network,
  image,
  services,
  labels,
}: {
  readonly network: SlotNetwork;
  readonly image: ImageFacts;
  readonly services: DockerRuntimeOptions['services'];
  readonly labels: Readonly<Record<string, string>>;
}): ContainerCreateOptions {
  return {
    Image: image.id,
    Hostname: JOB_HOST,
    User: JOB_USER,
    Labels: { ...labels },
    Entrypoint: [`${TOOLKIT_SOURCE}/busybox`, 'sleep', '1000000000'],
    Cmd: [],
    StopSignal: 'SIGKILL',
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...HARDENED,
      // A connection that a job has closed leaves no trace in the namespace that the next job could see.
      Sysctls: { ...NO_FORWARDING, 'net.ipv4.tcp_max_tw_buckets': '0' },
      NetworkMode: network.name,
      ExtraHosts: [`${RUNTIME_HOST}:${network.sidecarAddress}`, ...serviceHosts(services, network)],
      // Nothing answers there: no name leaves the job's network.
      Dns: [network.sidecarAddress],
      DnsOptions: ['timeout:1', 'attempts:1'],
      Memory: 32 * MIB,
      MemorySwap: 32 * MIB,
      PidsLimit: 32,
      LogConfig: { Type: 'none', Config: {} },
    },
    NetworkingConfig: {
      EndpointsConfig: { [network.name]: { IPAMConfig: { IPv4Address: network.jobAddress } } },
    },
  };
}
