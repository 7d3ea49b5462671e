import { LABEL } from '@cronium/contracts';
import type Docker from 'dockerode';
import { dockerClient } from '../bootstrap.ts';
import type { FleetDocker } from './files.ts';

/** The node label of what belongs to the local fleet as a whole: its shared network and its forwarder. */
export const LOCAL_NODE = 'local';

/** Removes the containers, networks and volumes of the fleet's nodes, its forwarder, and its shared network if it made that. */
export async function cleanDocker({ host, network, nodes }: FleetDocker): Promise<void> {
  const docker = dockerClient(host);
  for (const node of nodes) await removeLabelled(docker, [`${LABEL.node}=${node}`]);
  await removeForwarder(docker, network);
  const own = (await docker.listNetworks({ filters: { label: [`${LABEL.node}=${LOCAL_NODE}`] } })).find(
    ({ Name }) => Name === network,
  );
  if (own !== undefined) await tolerating([404, 403, 409], docker.getNetwork(own.Id).remove());
}

/** The container that gives Valkey and results their names on the shared network. */
export function forwarderName(network: string): string {
  return `${network}-forwarder`;
}

export async function removeForwarder(docker: Docker, network: string): Promise<void> {
  await tolerating([404, 409], docker.getContainer(forwarderName(network)).remove({ force: true, v: true }));
}

async function removeLabelled(docker: Docker, label: string[]): Promise<void> {
  const filters = { label };
  const containers = await docker.listContainers({ all: true, filters });
  await Promise.all(
    containers.map(({ Id }) =>
      tolerating([404, 409], docker.getContainer(Id).remove({ force: true, v: true })),
    ),
  );
  const networks = await docker.listNetworks({ filters });
  await Promise.all(networks.map(({ Id }) => tolerating([404, 403], docker.getNetwork(Id).remove())));
  const { Volumes: volumes } = await docker.listVolumes({ filters });
  await Promise.all(volumes.map(({ Name }) => tolerating([404, 409], docker.getVolume(Name).remove())));
}

/** 404: gone already; 409: its removal is in progress; 403: still in use, by a container of someone else. */
async function tolerating(statuses: readonly number[], request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 0;
    if (!statuses.includes(status)) throw error;
  }
}
