import { waitFor } from '@cronium/lifecycle';
import { type BootstrapContext, ensureDocker } from '../bootstrap.ts';
import type { FleetFacts } from './environments.ts';
import type { FleetDocker } from './files.ts';
import { openOnGateway } from './gateway.ts';
import { ensureSharedNetwork, startForwarder } from './network.ts';
import type { FleetPorts } from './ports.ts';

/** Where fleets listen unless told otherwise. */
export const DEFAULT_PORT_BASE = 7070;

/** What a fleet's objects in Docker are called. */
export interface FleetNames {
  readonly network: string;
  readonly nodes: readonly string[];
}

/** Two fleets on one engine, at different ports, must not share names: each removes what carries its own. */
export function namesFor(portBase: number, { workers }: FleetPorts): FleetNames {
  const infix = portBase === DEFAULT_PORT_BASE ? '' : `-${portBase}`;
  return {
    network: `cronium-shared${infix}`,
    nodes: workers.map((_, index) => `local${infix}-${index + 1}`),
  };
}

/** A Docker engine with the images and the shared network. */
export interface Engine {
  readonly docker: FleetDocker;
  readonly gateway: string;
}

/** Makes sure of an engine, or takes those that are given, and of the shared network on each. */
export async function bringDocker(
  context: BootstrapContext,
  options: {
    readonly dockerHosts?: readonly string[];
    readonly signal: AbortSignal;
    readonly names: FleetNames;
  },
): Promise<Engine[]> {
  const { signal, names } = options;
  const hosts = options.dockerHosts ?? [(await waitFor(ensureDocker(context, signal), signal)).host];
  const engines: Engine[] = [];
  for (const [index, host] of hosts.entries()) {
    const { gateway } = await waitFor(ensureSharedNetwork(host, names.network), signal);
    const nodes = names.nodes.filter((_, node) => node % hosts.length === index);
    engines.push({ docker: { host, network: names.network, nodes }, gateway });
  }
  return engines;
}

/** Lets sidecars reach Valkey and results by their names on each engine's shared network. */
export async function forwardOn(
  engines: readonly Engine[],
  { valkeyUrl, ports, gateways }: FleetFacts,
  stack: AsyncDisposableStack,
): Promise<void> {
  for (const gateway of new Set(gateways)) stack.use(await openOnGateway(gateway, ports.results));
  const valkey = new URL(valkeyUrl);
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(valkey.hostname);
  await Promise.all(
    engines.map(({ docker, gateway }) =>
      startForwarder(docker.host, docker.network, {
        valkey: `${isHere ? gateway : valkey.hostname}:${valkey.port || 6379}`,
        results: `${gateway}:${ports.results}`,
      }),
    ),
  );
}
