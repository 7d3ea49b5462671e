import { LABEL } from '@cronium/contracts';
import { deadline, retry } from '@cronium/lifecycle';
import { inspectContainer, removeContainer } from './containers.ts';
import { type DockerClient, isDaemonAway, statusOf } from './docker.ts';

/**
 * What can pass by itself: 403 a network that still has endpoints, 409 a removal in progress, 500 a daemon that trips
 * over its own parallel removals; and a daemon that is away.
 */
const PASSING: ReadonlySet<number> = new Set([403, 409, 500]);

function canPass(error: unknown): boolean {
  return isDaemonAway(error) || PASSING.has(statusOf(error) ?? 0);
}

/** What belongs to one attempt; missing parts are fine. */
export interface Remains {
  readonly containers: readonly string[];
  readonly networks: readonly string[];
}

/**
 * Removes containers, and when they are gone the networks; waits until Docker says that each is gone. A network is
 * removed only after its containers: else it "has active endpoints".
 */
export async function removeRemains(client: DockerClient, remains: Remains, limitMs: number): Promise<void> {
  using limit = deadline(limitMs, 'remove a sandbox');
  await client.endpoints.change(() =>
    Promise.all(remains.containers.map((id) => removeUntilGone(client, id, limit))),
  );
  await Promise.all(remains.networks.map((id) => removeNetwork(client, id, limit)));
}

/** Removes a job's container, which has no endpoint of its own; waits until Docker says that it is gone. */
export async function removeJob(client: DockerClient, id: string, limitMs: number): Promise<void> {
  using limit = deadline(limitMs, "remove a job's container");
  await removeUntilGone(client, id, limit);
}

/** Removes a probe, in the turn in which it was started; waits until Docker says that it is gone. */
export async function removeProbe(client: DockerClient, id: string, limitMs: number): Promise<void> {
  using limit = deadline(limitMs, 'remove a probe');
  await removeUntilGone(client, id, limit);
}

async function removeUntilGone(client: DockerClient, id: string, signal: AbortSignal): Promise<void> {
  await retry(
    async () => {
      try {
        await removeContainer(client, id, signal);
      } catch (error) {
        // Someone else is removing it: what counts is that it goes.
        if (statusOf(error) !== 409) throw error;
        if ((await inspectContainer(client, id, { signal })) !== undefined) throw error;
      }
    },
    { signal, attempts: 20, baseMs: 50, maxMs: 2000, when: canPass },
  );
}

async function removeNetwork(client: DockerClient, id: string, signal: AbortSignal): Promise<void> {
  await retry(
    () =>
      client.call({
        operation: `remove network ${id.slice(0, 12)}`,
        method: 'DELETE',
        path: `/networks/${id}`,
        accept: [204, 404],
        signal,
      }),
    { signal, attempts: 20, baseMs: 50, maxMs: 2000, when: canPass },
  );
}

/** A labelled object as the daemon lists it. */
export interface Labelled {
  readonly kind: 'container' | 'network';
  readonly id: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly running: boolean;
}

interface ListedContainer {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Labels: Record<string, string>;
  readonly State: string;
}
interface ListedNetwork {
  readonly Id: string;
  readonly Name: string;
  readonly Labels: Record<string, string> | null;
}

/** All containers and networks of the fleet that carry these labels too. */
export async function listLabelled(
  client: DockerClient,
  labels: readonly string[],
  signal?: AbortSignal,
): Promise<Labelled[]> {
  const filters = { label: [LABEL.managed, ...labels] };
  const [containers, networks] = await Promise.all([
    client.call<ListedContainer[]>({
      operation: 'list containers',
      method: 'GET',
      path: '/containers/json',
      query: { all: 1, filters },
      signal,
    }),
    client.call<ListedNetwork[]>({
      operation: 'list networks',
      method: 'GET',
      path: '/networks',
      query: { filters },
      signal,
    }),
  ]);
  return [
    ...containers.map(({ Id, Names, Labels, State }) => ({
      kind: 'container' as const,
      id: Id,
      name: Names[0]?.slice(1) ?? Id,
      labels: Labels,
      running: State === 'running' || State === 'paused' || State === 'restarting',
    })),
    ...networks.map(({ Id, Name, Labels }) => ({
      kind: 'network' as const,
      id: Id,
      name: Name,
      labels: Labels ?? {},
      running: false,
    })),
  ];
}

export function remainsOf(objects: readonly Labelled[]): Remains {
  const ids = (kind: Labelled['kind']) =>
    objects.filter((object) => object.kind === kind).map(({ id }) => id);
  return { containers: ids('container'), networks: ids('network') };
}

/** Unix ms. An object without the label is as old as can be. */
export function createdAt({ labels }: Labelled): number {
  return Number(labels[LABEL.createdAt] ?? 0);
}
