import { readFile } from 'node:fs/promises';
import type { NetworkInspectInfo } from 'dockerode';
import { parseCidr } from '../cidr.ts';
import { type DockerClient, isConnectionLost, statusOf } from '../docker.ts';
import { SandboxError } from '../runtime.ts';
import { parseRoutes, type Subnet, type SubnetAllocator, type TakenRange } from '../subnets.ts';

/** A slot's network as it stands. */
export interface SlotNetwork extends Subnet {
  readonly id: string;
  readonly name: string;
}

interface CreateNetwork {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Docker says that a network of this name exists: remove what stands in the way. */
  clear(): Promise<void>;
}

const MAX_TRIES = 64;
const NAME_TAKEN = 409;
const SUBNET_REFUSED = 403;

/**
 * Makes a slot's network: internal, a bridge without an address on the host (so that nothing on the host can be reached
 * through it), with a subnet of its own.
 * @throws SandboxError `capacity` when no subnet is free
 */
export async function createSlotNetwork(
  client: DockerClient,
  subnets: SubnetAllocator,
  options: CreateNetwork,
): Promise<SlotNetwork> {
  for (let tries = 1; ; tries++) {
    const subnet = subnets.take();
    if (subnet === undefined) throw noSubnet(subnets);
    try {
      return await create(client, subnet, options);
    } catch (error) {
      await giveBack(subnets, subnet, error, options);
      if (tries === MAX_TRIES) throw error;
    }
  }
}

async function create(client: DockerClient, subnet: Subnet, options: CreateNetwork): Promise<SlotNetwork> {
  const { name } = options;
  const { Id: id } = await client.call<{ Id: string }>({
    operation: `create network ${name} with ${subnet.cidr}`,
    method: 'POST',
    path: '/networks/create',
    body: {
      Name: name,
      CheckDuplicate: true,
      Driver: 'bridge',
      Internal: true,
      Labels: options.labels,
      // The gateway is the one that Docker would take. A Docker 20.10 that died while it removed a network without a named one
      // does not start any more.
      IPAM: { Driver: 'default', Config: [{ Subnet: subnet.cidr, Gateway: subnet.gateway }] },
      Options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' },
    },
  });
  return { ...subnet, id, name };
}

/** Rethrows what another subnet or a cleared name cannot help. */
async function giveBack(
  subnets: SubnetAllocator,
  subnet: Subnet,
  error: unknown,
  options: CreateNetwork,
): Promise<void> {
  const status = statusOf(error);
  if (status === SUBNET_REFUSED) {
    subnets.avoid(subnet.cidr);
    return;
  }
  subnets.release(subnet.cidr);
  // A reply that was lost: if the network was made, its name is taken now.
  if (status !== NAME_TAKEN && !isConnectionLost(error)) throw error;
  if (status === NAME_TAKEN) await options.clear();
}

function noSubnet(subnets: SubnetAllocator): SandboxError {
  const others = subnets.conflicts();
  const taken = others.length === 0 ? '' : `; used by others: ${others.slice(0, 3).join(', ')}`;
  return new SandboxError(
    'capacity',
    `no free subnet is left in ${subnets.range}${taken}: set CRONIUM_SUBNET_RANGE to a larger free range, or run fewer jobs at once`,
  );
}

/** What uses addresses on the daemon's host: Docker's networks and, where we are on that host, its routes. */
export async function takenRanges(client: DockerClient, signal?: AbortSignal): Promise<TakenRange[]> {
  const networks = await client.call<NetworkInspectInfo[]>({
    operation: 'list networks',
    method: 'GET',
    path: '/networks',
    signal,
  });
  const ours = networks.flatMap(({ Name, IPAM }) =>
    (IPAM?.Config ?? []).flatMap(({ Subnet: subnet }): TakenRange[] => {
      const range = subnet === undefined ? undefined : parseCidr(subnet);
      return range === undefined ? [] : [{ range, by: `the Docker network ${Name} (${subnet})` }];
    }),
  );
  return client.isLocal ? [...ours, ...(await hostRoutes())] : ours;
}

async function hostRoutes(): Promise<TakenRange[]> {
  try {
    return parseRoutes(await readFile('/proc/net/route', 'utf8'));
  } catch (error) {
    // Not Linux, or no procfs: Docker's own answer has to do.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EACCES'))
      return [];
    throw error;
  }
}
