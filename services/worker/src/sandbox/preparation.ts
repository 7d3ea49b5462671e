import { randomBytes } from 'node:crypto';
import { jobContainerName, LABEL, type Role } from '@cronium/contracts';
import { attachContainer, createContainer, startContainer } from './containers.ts';
import { statusOf } from './docker.ts';
import { DockerSandbox, type Fresh, type SandboxContext } from './docker-sandbox.ts';
import type { FleetImageStore } from './fleet-images.ts';
import type { ImageFacts } from './images.ts';
import { jobContainerOptions } from './job-container.ts';
import { jobProgram } from './job-program.ts';
import { LiveOutput } from './log/live.ts';
import { maskedValues, sealValues } from './masked-values.ts';
import { createJobNetwork, type JobNetwork } from './network.ts';
import type { DockerRuntimeOptions } from './options.ts';
import {
  type PreparationObserver,
  type PreparationStep,
  type SandboxBinding,
  SandboxError,
  type SandboxRequest,
} from './runtime.ts';
import { startSidecar } from './sidecar.ts';
import type { Toolkit } from './toolkit.ts';

const NOT_FOUND = 404;

export interface PreparationTools {
  readonly context: SandboxContext;
  readonly options: DockerRuntimeOptions;
  readonly images: FleetImageStore;
  readonly toolkit: Toolkit;
  /** Removes what stands of former attempts of a job, and of this one. */
  clear(request: SandboxRequest): Promise<void>;
}

/**
 * Makes the sandbox of one attempt. Network and image come first and side by side, then the sidecar beside the job
 * container. Calls that make something are not cut short by the signal: what they made must be known to be removed.
 */
export class Preparation {
  /** The subnet that this preparation took, as long as no sandbox owns it. */
  subnet: string | undefined;
  readonly #tools: PreparationTools;
  readonly #request: SandboxRequest;
  readonly #observer: PreparationObserver;
  readonly #signal: AbortSignal;
  #live: LiveOutput | undefined;

  constructor(
    tools: PreparationTools,
    request: SandboxRequest,
    observer: PreparationObserver,
    signal: AbortSignal,
  ) {
    this.#tools = tools;
    this.#request = request;
    this.#observer = observer;
    this.#signal = signal;
  }

  async run(): Promise<DockerSandbox> {
    const { context, images } = this.#tools;
    const startedIn = await context.epoch.current();
    const [network, image, runtime] = await together([
      this.#step(
        'network',
        () => this.#network(),
        ({ cidr }) => ({ subnet: cidr }),
      ),
      this.#step('image', () => images.forJob(this.#request.spec, this.#signal), describe),
      images.runtime(this.#signal),
    ]);
    const [sidecarId, job] = await together([
      this.#step('sidecar', () => this.#sidecar(network, runtime)),
      this.#job(network, image, runtime),
    ]);
    const binding = this.#binding(network, job.image, { containerId: job.containerId, sidecarId });
    const plan = jobProgram(this.#request, job.image, { nonce: binding.nonce, hostname: this.#hostname });
    return new DockerSandbox(context, binding, { fresh: { live: job.live, plan }, startedIn });
  }

  /** Closes what a failed preparation left open. */
  close(): void {
    this.#live?.close();
  }

  #binding(
    network: JobNetwork,
    image: ImageFacts,
    ids: { readonly containerId: string; readonly sidecarId: string },
  ): SandboxBinding {
    const { jobId, attempt, attemptId, secrets } = this.#request;
    const values = maskedValues(secrets);
    return {
      jobId,
      attempt,
      attemptId,
      ...ids,
      networkId: network.id,
      subnet: network.cidr,
      nonce: randomBytes(16).toString('hex'),
      image: { reference: image.reference, id: image.id },
      ...(values.length > 0 && { masked: sealValues(values, this.#tools.options.maskKey) }),
    };
  }

  get #hostname(): string {
    return this.#request.jobId.replace('_', '-');
  }

  #labels(role: Role): Record<string, string> {
    return {
      [LABEL.managed]: 'true',
      [LABEL.node]: this.#tools.options.node,
      [LABEL.role]: role,
      [LABEL.job]: this.#request.jobId,
      [LABEL.attempt]: this.#request.attemptId,
      [LABEL.createdAt]: String(Date.now()),
    };
  }

  async #network(): Promise<JobNetwork> {
    const { context } = this.#tools;
    const network = await createJobNetwork(context.client, context.subnets, {
      jobId: this.#request.jobId,
      labels: this.#labels('network'),
      clear: () => this.#tools.clear(this.#request),
    });
    this.subnet = network.cidr;
    return network;
  }

  async #sidecar(network: JobNetwork, image: ImageFacts): Promise<string> {
    const { context, options } = this.#tools;
    return startSidecar(context.client, {
      request: this.#request,
      network,
      image,
      options,
      labels: this.#labels('runtime'),
      readyMs: context.limits.sidecarReadyMs,
      onCreated: (id) => context.events.track(id),
      signal: this.#signal,
    });
  }

  async #job(
    network: JobNetwork,
    image: ImageFacts,
    runtime: ImageFacts,
  ): Promise<{ containerId: string; image: ImageFacts; live: Fresh['live'] }> {
    const { client, events } = this.#tools.context;
    const created = await this.#step('create', () => this.#create(network, image, runtime));
    events.track(created.containerId);
    const live = await this.#step('start', async () => {
      // Before the start: a later attach, or a log that is followed later, can miss the end.
      const socket = new LiveOutput(await attachContainer(client, created.containerId));
      this.#live = socket;
      await startContainer(client, created.containerId);
      return socket;
    });
    return { ...created, live };
  }

  /** An image that vanished since it was looked at is brought back once. */
  async #create(network: JobNetwork, image: ImageFacts, runtime: ImageFacts) {
    try {
      return { containerId: await this.#createWith(network, image, runtime), image };
    } catch (error) {
      const { images } = this.#tools;
      if (statusOf(error) !== NOT_FOUND || (await images.isHere(image))) throw error;
      const again = await images.forJob(this.#request.spec, this.#signal);
      return { containerId: await this.#createWith(network, again, runtime), image: again };
    }
  }

  async #createWith(network: JobNetwork, image: ImageFacts, runtime: ImageFacts): Promise<string> {
    const { context, options, toolkit } = this.#tools;
    return createContainer(context.client, {
      name: jobContainerName(this.#request.jobId),
      owner: this.#request,
      options: jobContainerOptions({
        request: this.#request,
        image,
        network,
        labels: this.#labels('job'),
        hostname: this.#hostname,
        toolkitVolume: await toolkit.volume(runtime),
        logMaxBytes: options.logMaxBytes,
      }),
    });
  }

  async #step<T>(
    step: PreparationStep,
    run: () => Promise<T>,
    describeIt?: (result: T) => Record<string, string>,
  ): Promise<T> {
    if (this.#signal.aborted) {
      throw new SandboxError('aborted', `the preparation of ${this.#request.attemptId} was given up`, {
        cause: this.#signal.reason,
      });
    }
    this.#observer.begin(step);
    const result = await run();
    this.#observer.end(step, describeIt?.(result));
    return result;
  }
}

function describe({ reference, id }: ImageFacts): Record<string, string> {
  return { reference, id };
}

/** Like Promise.all, but waits for all also when one fails: what the others make must be known before it is removed. */
async function together<T extends readonly unknown[]>(
  promises: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  await Promise.allSettled(promises);
  return (await Promise.all(promises)) as unknown as T;
}
