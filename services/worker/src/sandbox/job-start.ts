import type { ContainerCreateOptions } from 'dockerode';
import { attachContainer, type CreateContainer, createContainer, startContainer } from './containers.ts';
import { statusOf } from './docker.ts';
import type { SandboxContext } from './docker-sandbox.ts';
import type { FleetImageStore } from './fleet-images.ts';
import type { ImageFacts } from './images.ts';
import { jobContainerOptions } from './job-container.ts';
import { LiveOutput } from './log/live.ts';
import type { DockerRuntimeOptions } from './options.ts';
import type { SandboxRequest } from './runtime.ts';
import type { Toolkit } from './toolkit.ts';

const NOT_FOUND = 404;

export interface JobTools {
  readonly context: SandboxContext;
  readonly options: DockerRuntimeOptions;
  readonly images: FleetImageStore;
  readonly toolkit: Toolkit;
}

/** A job container to be made: for which kind of job, from which image, in which slot. */
export interface JobPlace extends Pick<CreateContainer, 'name' | 'mayReplace'> {
  readonly spec: SandboxRequest['spec'];
  readonly image: ImageFacts;
  readonly holderId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** What is different about this one. */
  adapt?(options: ContainerCreateOptions): ContainerCreateOptions;
}

/** A created job container, and the image that it was made from in the end. */
export interface CreatedJob {
  readonly containerId: string;
  readonly image: ImageFacts;
}

/** Creates a job container. An image that vanished since it was looked at is brought back once. */
export async function createJob(tools: JobTools, place: JobPlace): Promise<CreatedJob> {
  const { images, context } = tools;
  const { image, spec, signal } = place;
  const created = async (from: ImageFacts) => {
    const containerId = await create(tools, { ...place, image: from });
    context.events.track(containerId);
    return { containerId, image: from };
  };
  try {
    return await created(image);
  } catch (error) {
    if (statusOf(error) !== NOT_FOUND || (await images.isHere(image))) throw error;
    images.forget();
    return created(await images.forJob(spec, signal));
  }
}

async function create({ context, options, images, toolkit }: JobTools, place: JobPlace): Promise<string> {
  const { name, mayReplace, spec, image, holderId, labels, signal, adapt = (same) => same } = place;
  const wanted = jobContainerOptions({
    request: { spec },
    image,
    holderId,
    labels,
    toolkitVolume: await toolkit.volume(await images.runtime(signal)),
    logMaxBytes: options.logMaxBytes,
  });
  return createContainer(context.client, { name, mayReplace, options: adapt(wanted) });
}

/** Starts a created job container, which then waits for its program, and holds the line to it. */
export async function startJob({ client }: SandboxContext, containerId: string): Promise<LiveOutput> {
  // Before the start: a later attach, or a log that is followed later, can miss the end.
  const live = new LiveOutput(await attachContainer(client, containerId));
  try {
    await startContainer(client, containerId);
    return live;
  } catch (error) {
    live.close();
    throw error;
  }
}
