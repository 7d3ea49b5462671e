import type { BootstrapContext } from './context.ts';
import { dockerClient } from './docker-client.ts';
import { findImage, pullImage } from './pull.ts';

/** A registry that does not even begin to answer in this time is taken for absent. */
const FIRST_ANSWER_MS = 5000;

const DOCKERODES_PREFIX = /^\(HTTP code \d+\) [a-z ]+ - /;

const verdicts = new WeakMap<BootstrapContext, Promise<boolean>>();

/**
 * True when a registry can be reached from the engine, found out by pulling an image that is needed anyway. It is asked
 * once in a run; an image that the engine already has counts as an answer for that image alone.
 */
export async function registryAnswers(
  context: BootstrapContext,
  dockerHost: string,
  image: string,
): Promise<boolean> {
  const docker = dockerClient(dockerHost);
  if (await findImage(docker, image)) return true;
  const known = verdicts.get(context);
  if (known !== undefined) return known;
  const verdict = tryPull(context, dockerHost, image);
  verdicts.set(context, verdict);
  return verdict;
}

async function tryPull(context: BootstrapContext, dockerHost: string, image: string): Promise<boolean> {
  context.report(`Looking for a container registry (docker pull ${image}).`);
  try {
    await pullImage(dockerClient(dockerHost), image, { firstAnswerMs: FIRST_ANSWER_MS });
    return true;
  } catch (error) {
    const why =
      error instanceof Error ? error.message.split('\n')[0]?.replace(DOCKERODES_PREFIX, '') : String(error);
    context.report(`No registry, so what it would have is made here: ${why?.trim()}`);
    return false;
  }
}
