import { jobContainerName, LABEL } from '@cronium/contracts';
import { removeContainer } from './containers.ts';
import type { DockerSandbox } from './docker-sandbox.ts';
import type { ImageFacts } from './images.ts';
import { createJob, startJob } from './job-start.ts';
import type { LiveOutput } from './log/live.ts';
import {
  type PreparationObserver,
  type PreparationStep,
  SandboxError,
  type SandboxRequest,
} from './runtime.ts';
import { openedServices } from './services.ts';
import { type OccupyTools, occupy, sendAhead } from './slot/occupy.ts';
import type { Slot } from './slot/slot.ts';
import { together } from './together.ts';

export interface PreparationTools extends OccupyTools {
  /** May a container that has the job's name be removed? */
  mayReplace(
    request: SandboxRequest,
    container: { readonly id: string; readonly labels: Readonly<Record<string, string>> },
  ): boolean;
}

/**
 * Makes the sandbox of one attempt. Slot and image come first and side by side, then the sidecar is bound beside the job
 * container's start. Calls that make something are not cut short by the signal: what they made must be known to be
 * removed.
 */
export class Preparation {
  readonly #tools: PreparationTools;
  readonly #request: SandboxRequest;
  readonly #observer: PreparationObserver;
  readonly #signal: AbortSignal;
  #slot: Slot | undefined;
  #containerId: string | undefined;
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
    const { context, images, slots } = this.#tools;
    const startedIn = await context.epoch.current();
    this.#begins('network');
    const slot = await slots.take();
    this.#slot = slot;
    const [image] = await together([
      this.#step('image', () => images.forJob(this.#request.spec, this.#signal), describe),
      this.#madeNetwork(slot),
    ]);
    const [job] = await together([
      this.#job(slot, image),
      this.#step(
        'sidecar',
        () => slot.bind(this.#request, this.#signal),
        () => openedServices(this.#request.spec),
      ),
    ]);
    this.#check();
    return occupy(this.#tools, this.#request, {
      ...{ slot, startedIn, ...job },
      program: sendAhead(job.live, this.#request, job.image),
      network: await slot.network,
      holderId: await slot.holder,
      sidecarId: await slot.sidecarId(),
      isUnnamed: false,
    });
  }

  /** Removes what a failed preparation made. */
  async undo(): Promise<void> {
    const { context, slots } = this.#tools;
    this.#live?.close();
    if (this.#containerId !== undefined) {
      context.events.forget(this.#containerId);
      await removeContainer(context.client, this.#containerId);
    }
    if (this.#slot !== undefined) await slots.release(this.#slot);
  }

  async #madeNetwork(slot: Slot): Promise<void> {
    const { cidr } = await slot.network;
    await slot.holder;
    this.#observer.end('network', { subnet: cidr, slot: slot.id, recycled: slot.uses > 0 });
  }

  async #job(
    slot: Slot,
    image: ImageFacts,
  ): Promise<{ image: ImageFacts; containerId: string; live: LiveOutput }> {
    const { context } = this.#tools;
    const { jobId, attemptId, spec } = this.#request;
    const holderId = await slot.holder;
    const created = await this.#step('create', () =>
      createJob(this.#tools, {
        name: jobContainerName(jobId),
        mayReplace: (id, labels) => this.#tools.mayReplace(this.#request, { id, labels }),
        labels: { ...slot.labels('job'), [LABEL.job]: jobId, [LABEL.attempt]: attemptId },
        spec,
        image,
        holderId,
        signal: this.#signal,
      }),
    );
    this.#containerId = created.containerId;
    const live = await this.#step(
      'start',
      () => startJob(context, created.containerId),
      () => ({ start: 'cold' }),
    );
    this.#live = live;
    return { ...created, live };
  }

  async #step<T>(
    step: PreparationStep,
    run: () => Promise<T>,
    describeIt?: (result: T) => Record<string, string>,
  ): Promise<T> {
    this.#begins(step);
    const result = await run();
    this.#observer.end(step, describeIt?.(result));
    return result;
  }

  #begins(step: PreparationStep): void {
    this.#check();
    this.#observer.begin(step);
  }

  #check(): void {
    if (!this.#signal.aborted) return;
    throw new SandboxError('aborted', `the preparation of ${this.#request.attemptId} was given up`, {
      cause: this.#signal.reason,
    });
  }
}

function describe({ reference, id }: ImageFacts): Record<string, string> {
  return { reference, id };
}
