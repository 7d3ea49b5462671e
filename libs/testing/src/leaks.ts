import { LABEL } from '@cronium/contracts';
import Docker from 'dockerode';
import { testEnvironment } from './environment.ts';

/** A client for the Docker engine of this run. */
export function testDocker(dockerHost = testEnvironment().dockerHost): Docker {
  const url = new URL(dockerHost);
  if (url.protocol === 'unix:') return new Docker({ socketPath: url.pathname });
  return new Docker({ protocol: 'http', host: url.hostname, port: Number(url.port || 2375) });
}

/** Something in Docker that carries a node's label. */
interface Labelled {
  readonly kind: 'container' | 'network' | 'volume';
  readonly name: string;
  readonly node: string;
  remove(): Promise<unknown>;
}

/**
 * Names everything in Docker that carries the node's label: `container cronium-job-…`, `network …`, `volume …`.
 * A test that cleaned up gets an empty list.
 */
export async function leakCheck(docker: Docker, node: string): Promise<string[]> {
  return (await labelled(docker, `${LABEL.node}=${node}`)).map(describe);
}

/** The same for every node whose name begins with the text; for the end of a run. */
export async function leaksOfNodes(docker: Docker, beginning: string): Promise<string[]> {
  return (await ofNodes(docker, beginning)).map(describe);
}

/** Removes everything that carries the node's label, for a test's own clean-up after a failure. */
export async function removeAll(docker: Docker, node: string): Promise<void> {
  await removeInOrder(await labelled(docker, `${LABEL.node}=${node}`));
}

/** The same for every node whose name begins with the text. */
export async function removeAllOfNodes(docker: Docker, beginning: string): Promise<void> {
  await removeInOrder(await ofNodes(docker, beginning));
}

const describe = ({ kind, name }: Labelled): string => `${kind} ${name}`;

async function ofNodes(docker: Docker, beginning: string): Promise<Labelled[]> {
  return (await labelled(docker, LABEL.node)).filter(({ node }) => node.startsWith(beginning));
}

/** Containers come first: networks and volumes can go only when nothing uses them. */
async function labelled(docker: Docker, label: string): Promise<Labelled[]> {
  const filters = { label: [label] };
  const [containers, networks, { Volumes: volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  return [
    ...containers.map(({ Id, Names, State, Labels }) => ({
      kind: 'container' as const,
      name: `${Names[0]?.slice(1) ?? Id} (${State})`,
      node: nodeOf(Labels),
      remove: () => docker.getContainer(Id).remove({ force: true, v: true }),
    })),
    ...networks.map(({ Id, Name, Labels }) => ({
      kind: 'network' as const,
      name: Name,
      node: nodeOf(Labels),
      remove: () => docker.getNetwork(Id).remove(),
    })),
    ...volumes.map(({ Name, Labels }) => ({
      kind: 'volume' as const,
      name: Name,
      node: nodeOf(Labels),
      remove: () => docker.getVolume(Name).remove(),
    })),
  ];
}

function nodeOf(labels: Readonly<Record<string, string>> | undefined): string {
  return labels?.[LABEL.node] ?? '';
}

async function removeInOrder(found: readonly Labelled[]): Promise<void> {
  for (const kind of ['container', 'network', 'volume']) {
    await Promise.all(found.filter((one) => one.kind === kind).map(removeIfThere));
  }
}

/** 404: gone already. 409: a removal is in progress. */
async function removeIfThere({ remove }: Labelled): Promise<void> {
  try {
    await remove();
  } catch (error) {
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
    if (status !== 404 && status !== 409) throw error;
  }
}
