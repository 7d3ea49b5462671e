import { LABEL } from '@cronium/contracts';
import Docker from 'dockerode';
import { testEnvironment } from './environment.ts';

/** A client for the Docker engine of this run. */
export function testDocker(dockerHost = testEnvironment().dockerHost): Docker {
  const url = new URL(dockerHost);
  if (url.protocol === 'unix:') return new Docker({ socketPath: url.pathname });
  return new Docker({ protocol: 'http', host: url.hostname, port: Number(url.port || 2375) });
}

/**
 * Names everything in Docker that carries the node's label: `container cronium-job-…`, `network …`, `volume …`.
 * A test that cleaned up gets an empty list.
 */
export async function leakCheck(docker: Docker, node: string): Promise<string[]> {
  const filters = { label: [`${LABEL.node}=${node}`] };
  const [containers, networks, { Volumes: volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  return [
    ...containers.map((one) => `container ${one.Names[0]?.slice(1) ?? one.Id} (${one.State})`),
    ...networks.map((one) => `network ${one.Name}`),
    ...volumes.map((one) => `volume ${one.Name}`),
  ];
}

/** Removes everything that carries the node's label, for a test's own clean-up after a failure. */
export async function removeAll(docker: Docker, node: string): Promise<void> {
  const filters = { label: [`${LABEL.node}=${node}`] };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(
    containers.map(({ Id }) => ignoringGone(docker.getContainer(Id).remove({ force: true, v: true }))),
  );
  const networks = await docker.listNetworks({ filters });
  await Promise.all(networks.map(({ Id }) => ignoringGone(docker.getNetwork(Id).remove())));
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  await Promise.all(volumes.map(({ Name }) => ignoringGone(docker.getVolume(Name).remove())));
}

/** 404: gone already. 409: a removal is in progress. */
async function ignoringGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
    if (status !== 404 && status !== 409) throw error;
  }
}
