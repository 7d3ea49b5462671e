import { eventually, testDocker } from '@cronium/testing';
import type Docker from 'dockerode';
import { removeForwarder } from '../../local/fleet/docker-objects.ts';
import { openOnGateway } from '../../local/fleet/gateway.ts';
import { ensureSharedNetwork, startForwarder } from '../../local/fleet/network.ts';

const GONE_MS = 60_000;

/** How the names of these networks begin. */
export const SHARED_NETWORK = 'cronium-shared-';

/** A shared-services network of a test's own on one Docker engine. */
export interface SharedNetwork extends AsyncDisposable {
  readonly name: string;
  /** The engine's address on it. */
  readonly gateway: string;
  readonly targets: ForwardTargets;
}

interface ForwardTargets {
  readonly valkey: string;
  readonly results: string;
}

/** What is to be reached on the network, and from which engine. */
export interface SharedNetworkOptions {
  readonly dockerHost: string;
  /** The node label of what is made. */
  readonly node: string;
  readonly valkeyUrl: string;
  readonly resultsPort: number;
  /** This machine's address for the engine's containers. Default: the network's gateway. */
  readonly hostAddress?: string | undefined;
  /** Sidecars are killed by hand on it: see {@link isMiscounted}. */
  readonly mayBeMiscounted?: boolean | undefined;
}

/**
 * Makes the network and on it the container that stands for Valkey and results. The services listen on this machine's
 * loopback address: connections are passed on to it.
 */
export async function openSharedNetwork(options: SharedNetworkOptions): Promise<SharedNetwork> {
  const { dockerHost, node, valkeyUrl, resultsPort } = options;
  const docker = testDocker(dockerHost);
  await using stack = new AsyncDisposableStack();
  const name = `${SHARED_NETWORK}${node}`;
  const { gateway } = await ensureSharedNetwork(dockerHost, name, node);
  // A busy daemon counts the endpoint of a container that has just gone for a moment.
  const isGone = () =>
    docker
      .getNetwork(name)
      .remove()
      .then(() => true);
  stack.defer(async () => {
    try {
      await eventually(isGone, { what: `${name} is removed`, timeoutMs: GONE_MS });
    } catch (error) {
      if (!options.mayBeMiscounted || !(await isMiscounted(docker, name))) throw error;
    }
  });
  const address = options.hostAddress ?? gateway;
  const valkey = new URL(valkeyUrl);
  const valkeyPort = Number(valkey.port || 6379);
  stack.use(await openOnGateway(address, resultsPort));
  const isHere = ['127.0.0.1', 'localhost', '[::1]'].includes(valkey.hostname);
  if (isHere) stack.use(await openOnGateway(address, valkeyPort));
  const targets = {
    valkey: `${isHere ? address : valkey.hostname}:${valkeyPort}`,
    results: `${address}:${resultsPort}`,
  };
  await startForwarder(dockerHost, name, targets, node);
  stack.defer(() => removeForwarder(docker, name));
  const owned = stack.move();
  return { name, gateway, targets, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * Docker 20.10 loses count of a network's endpoints when a container on it dies while another is renamed. Nothing is on the
 * network then, and it is not removed before the daemon is started again.
 */
export async function isMiscounted(docker: Docker, name: string): Promise<boolean> {
  const { Containers: left = {} } = await docker.getNetwork(name).inspect();
  return Object.keys(left).length === 0;
}
