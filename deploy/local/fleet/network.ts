import { LABEL } from '@cronium/contracts';
import type Docker from 'dockerode';
import { dockerClient, IMAGE_TAGS } from '../bootstrap.ts';
import { forwarderName, LOCAL_NODE, removeForwarder } from './docker-objects.ts';

/** The names under which sidecars find the shared services, and the ports there. */
export const SHARED = {
  valkey: { name: 'valkey', port: 6379 },
  results: { name: 'results', port: 7071 },
} as const;

const labels = (role: string, node: string): Record<string, string> => ({
  [LABEL.managed]: 'true',
  [LABEL.node]: node,
  [LABEL.role]: role,
  [LABEL.createdAt]: String(Date.now()),
});

/**
 * Makes sure of the shared network and returns the host's address on it. One that exists is used as it is, and stays
 * when the fleet ends.
 */
export async function ensureSharedNetwork(
  host: string,
  name: string,
  node = LOCAL_NODE,
): Promise<{ gateway: string }> {
  const docker = dockerClient(host);
  const gateway = (await gatewayOf(docker, name)) ?? (await createNetwork(docker, name, node));
  return { gateway };
}

async function createNetwork(docker: Docker, name: string, node: string): Promise<string> {
  await docker.createNetwork({
    Name: name,
    Driver: 'bridge',
    CheckDuplicate: true,
    Labels: labels('network', node),
  });
  const gateway = await gatewayOf(docker, name);
  if (gateway === undefined)
    throw new Error(`Docker made the network ${name}, but it has no gateway address.`);
  return gateway;
}

async function gatewayOf(docker: Docker, name: string): Promise<string | undefined> {
  const networks = await docker.listNetworks({ filters: { name: [name] } });
  const network = networks.find(({ Name }) => Name === name);
  if (network === undefined) return undefined;
  const gateway = network.IPAM?.Config?.map(({ Gateway }) => Gateway).find((address) =>
    address?.includes('.'),
  );
  if (gateway === undefined) {
    throw new Error(
      `The network ${name} has no IPv4 gateway. Remove it (docker network rm ${name}); the fleet makes its own.`,
    );
  }
  return gateway;
}

/** Where the forwarder sends what comes for each name: `host:port`. */
export interface ForwardTargets {
  readonly valkey: string;
  readonly results: string;
}

/**
 * Starts the container that stands for Valkey and results on the shared network and passes connections on to this host.
 * It holds nothing and is made anew at each start.
 */
export async function startForwarder(
  host: string,
  network: string,
  targets: ForwardTargets,
  node = LOCAL_NODE,
): Promise<void> {
  const docker = dockerClient(host);
  await removeForwarder(docker, network);
  const container = await docker.createContainer(forwarderOptions(network, targets, node));
  await container.start();
}

function forwarderOptions(
  network: string,
  targets: ForwardTargets,
  node: string,
): Docker.ContainerCreateOptions {
  const forward = [
    `${SHARED.valkey.port}=${targets.valkey}`,
    `${SHARED.results.port}=${targets.results}`,
  ].join(',');
  return {
    name: forwarderName(network),
    Image: IMAGE_TAGS.runtimeApi,
    Entrypoint: ['node', '/app/forward.mjs'],
    Cmd: [],
    Env: [`FORWARD=${forward}`],
    User: '1000:1000',
    Labels: labels('holder', node),
    HostConfig: {
      NetworkMode: network,
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      SecurityOpt: ['no-new-privileges'],
      Memory: 128 * 2 ** 20,
      PidsLimit: 64,
      RestartPolicy: { Name: 'always' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } },
    },
    NetworkingConfig: {
      EndpointsConfig: { [network]: { Aliases: [SHARED.valkey.name, SHARED.results.name] } },
    },
  };
}
