import type Docker from 'dockerode';

/** What the engine knows about an image, or undefined when it has none of that name. */
export async function findImage(docker: Docker, name: string): Promise<Docker.ImageInspectInfo | undefined> {
  try {
    return await docker.getImage(name).inspect();
  } catch (error) {
    if ((error as { statusCode?: number }).statusCode === 404) return undefined;
    throw error;
  }
}

/**
 * Pulls an image. Throws with the registry's or the engine's own words; also when the registry says nothing at all for
 * `firstAnswerMs`.
 */
export async function pullImage(
  docker: Docker,
  image: string,
  options: { firstAnswerMs: number },
): Promise<void> {
  const quiet = new AbortController();
  const timer = setTimeout(() => quiet.abort(), options.firstAnswerMs);
  const silence = new Promise<never>((_resolve, reject) => {
    quiet.signal.addEventListener('abort', () =>
      reject(new Error(`the registry of ${image} did not answer within ${options.firstAnswerMs / 1000} s`)),
    );
  });
  try {
    const stream = await Promise.race([docker.pull(image, { abortSignal: quiet.signal }), silence]);
    await Promise.race([finished(docker, stream, () => clearTimeout(timer)), silence]);
  } finally {
    clearTimeout(timer);
  }
}

/** Reads an engine's progress stream (pull, build, load) to its end. Throws the error that it reports. */
export async function finished(
  docker: Docker,
  stream: NodeJS.ReadableStream,
  onProgress: (event: ProgressEvent) => void = () => {},
): Promise<void> {
  let reported: string | undefined;
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(
      stream,
      (error: Error | null) => (error === null ? resolve() : reject(error)),
      (event: ProgressEvent) => {
        reported ??= event.error;
        onProgress(event);
      },
    );
  });
  // What goes wrong after the stream has begun is a line of it, and no failure of the request.
  if (reported !== undefined) throw new Error(reported);
}

/** One line of a progress stream. */
export interface ProgressEvent {
  readonly stream?: string;
  readonly status?: string;
  readonly error?: string;
}
