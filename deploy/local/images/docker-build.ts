import type Docker from 'dockerode';
import { finished } from '../engine/pull.ts';
import type { ContextFile } from './build-context.ts';
import { contextStream } from './build-context.ts';

/** The label that says from which inputs an image was built. */
export const SOURCE_LABEL = 'cronium.source';

/** One build: everything that goes to the engine. */
export interface BuildRequest {
  readonly tag: string;
  readonly dockerfile: string;
  readonly files: readonly ContextFile[];
  readonly arguments: Readonly<Record<string, string>>;
  readonly source: string;
  /** Whether commands of the Dockerfile may use the network. */
  readonly network: boolean;
}

/** Builds an image with the engine's own builder and tags it. Throws with the end of the build's output. */
export async function buildImage(docker: Docker, request: BuildRequest): Promise<void> {
  const output: string[] = [];
  const stream = await docker.buildImage(contextStream(request.files), {
    t: request.tag,
    dockerfile: request.dockerfile,
    buildargs: { ...request.arguments },
    labels: { [SOURCE_LABEL]: request.source },
    forcerm: true,
    ...(request.network ? {} : { networkmode: 'none' }),
  });
  try {
    await finished(docker, stream, (event) => {
      if (event.stream) output.push(event.stream);
    });
  } catch (error) {
    const tail = output.join('').trimEnd().split('\n').slice(-20).join('\n');
    throw new Error(`Building ${request.tag} failed. The end of its output:\n${tail}`, { cause: error });
  }
}
