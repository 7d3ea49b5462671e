import type { Duplex } from 'node:stream';
import { LABEL, parseAttemptId } from '@cronium/contracts';
import type { ContainerCreateOptions, ContainerInspectInfo } from 'dockerode';
import { type DockerClient, isConnectionLost, statusOf } from './docker.ts';
import type { AttemptIdentity } from './runtime.ts';

const NAME_TAKEN = 409;
const MAX_TRIES = 3;

export interface CreateContainer {
  readonly name: string;
  readonly options: ContainerCreateOptions;
  /** May a container that has the name already be removed? Told its id and labels. */
  mayReplace(id: string, labels: Readonly<Record<string, string>>): boolean;
}

/**
 * Creates a container. When the name is taken by one that may be replaced, that one is removed first: the creation had
 * succeeded and the reply was lost (no user code has run in it), or it is of a former attempt, which is fenced.
 */
export async function createContainer(client: DockerClient, create: CreateContainer): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      const { Id } = await client.call<{ Id: string }>({
        operation: `create container ${create.name}`,
        method: 'POST',
        path: '/containers/create',
        query: { name: create.name },
        body: create.options,
      });
      return Id;
    } catch (error) {
      if (tries === MAX_TRIES) throw error;
      // The reply was lost: if it was created, the name is taken now.
      if (isConnectionLost(error)) continue;
      if (statusOf(error) !== NAME_TAKEN || !(await clearName(client, create))) throw error;
    }
  }
}

async function clearName(client: DockerClient, { name, mayReplace }: CreateContainer): Promise<boolean> {
  const found = await inspectContainer(client, name);
  if (found === undefined) return true;
  if (!mayReplace(found.Id, found.Config.Labels)) return false;
  await removeContainer(client, found.Id);
  return true;
}

/** Do the labels say that this belongs to the job, and to this attempt or a former one? */
export function isOwnedUpTo(
  labels: Readonly<Record<string, string>> | undefined,
  owner: AttemptIdentity,
): boolean {
  const attemptId = labels?.[LABEL.attempt];
  if (labels?.[LABEL.managed] === undefined || labels[LABEL.job] !== owner.jobId || attemptId === undefined)
    return false;
  return parseAttemptId(attemptId).attempt <= owner.attempt;
}

export function inspectContainer(
  client: DockerClient,
  id: string,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
): Promise<ContainerInspectInfo | undefined> {
  return client.find<ContainerInspectInfo>({
    operation: `inspect container ${short(id)}`,
    method: 'GET',
    path: `/containers/${id}/json`,
    ...options,
  });
}

/** Is there a process of it, frozen ones too? `undefined` when there is no such container. */
export async function isContainerRunning(
  client: DockerClient,
  id: string,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const found = await inspectContainer(client, id, { signal });
  return found && (found.State.Running || found.State.Paused);
}

/** Starts a container; one that runs already is fine. */
export async function startContainer(client: DockerClient, id: string): Promise<void> {
  await client.call({
    operation: `start container ${short(id)}`,
    method: 'POST',
    path: `/containers/${id}/start`,
    accept: [204, 304],
  });
}

/** Takes over the container's three streams; to miss nothing, before its start. */
export function attachContainer(client: DockerClient, id: string, signal?: AbortSignal): Promise<Duplex> {
  return client.hijack({
    signal,
    operation: `attach to container ${short(id)}`,
    method: 'POST',
    path: `/containers/${id}/attach`,
    query: { stream: 1, stdin: 1, stdout: 1, stderr: 1 },
  });
}

/** Gives a container another name. @returns false when that name is taken, or the container is gone */
export async function renameContainer(client: DockerClient, id: string, name: string): Promise<boolean> {
  try {
    await client.call({
      operation: `rename container ${short(id)} to ${name}`,
      method: 'POST',
      path: `/containers/${id}/rename`,
      query: { name },
      accept: [204],
    });
    return true;
  } catch (error) {
    if (statusOf(error) === NAME_TAKEN || statusOf(error) === 404) return false;
    throw error;
  }
}

/** Sends a signal; a container that has stopped (409) or is gone (404) is fine. */
export async function signalContainer(client: DockerClient, id: string, signal: string): Promise<void> {
  await client.call({
    operation: `send ${signal} to container ${short(id)}`,
    method: 'POST',
    path: `/containers/${id}/kill`,
    query: { signal },
    accept: [204, 404, 409],
  });
}

/**
 * Holds a container still, or lets it go on. Engines answer differently when it stands so already, has stopped or is
 * gone: then inspection says that there is nothing to do.
 */
export async function setPaused(client: DockerClient, id: string, paused: boolean): Promise<void> {
  try {
    await client.call({
      operation: `${paused ? 'pause' : 'unpause'} container ${short(id)}`,
      method: 'POST',
      path: `/containers/${id}/${paused ? 'pause' : 'unpause'}`,
    });
  } catch (error) {
    if (statusOf(error) === undefined) throw error;
    const found = await inspectContainer(client, id);
    if (found?.State.Running && found.State.Paused !== paused) throw error;
  }
}

/** Kills and removes a container with its anonymous volumes; one that is gone is fine. A removal that goes on is a 409. */
export async function removeContainer(client: DockerClient, id: string, signal?: AbortSignal): Promise<void> {
  await client.call({
    operation: `remove container ${short(id)}`,
    method: 'DELETE',
    path: `/containers/${id}`,
    query: { force: 1, v: 1 },
    accept: [204, 404],
    timeoutMs: 60_000,
    signal,
  });
}

/** As `docker ps` shows it. */
export function short(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
}
