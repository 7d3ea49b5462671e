import { join } from 'node:path';
import { IMAGE_TAGS } from '../bootstrap.ts';
import { SIDECAR_USER } from '../engine/valkey.ts';
import { SHARED } from './network.ts';
import type { FleetPorts } from './ports.ts';

/** What the fleet's processes have in common. */
export interface FleetFacts {
  /** The environment of the supervisor: everything in it that is not set below reaches the services. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly ports: FleetPorts;
  readonly valkeyUrl: string;
  readonly databaseUrl: string;
  readonly apiKey: string;
  readonly secretsKey: string;
  /** The addresses of the host on the shared networks. */
  readonly gateways: readonly string[];
}

/** A worker of the fleet. */
export interface WorkerFacts {
  readonly node: string;
  readonly port: number;
  readonly dockerHost: string;
  readonly network: string;
}

type Variables = Record<string, string>;

const LOOPBACK = '127.0.0.1';
/**
 * A worker mostly waits: a smaller young generation than V8's 16 MiB and one arena of the C library instead of one for each
 * thread save memory and cost no time. With less than 8 MiB what a job needs only while it runs becomes old, and is
 * collected with all that is: that takes a fifth of a busy worker's time, and more memory.
 */
const SMALL = { heap: '--max-semi-space-size=8', arenas: '1' };

function common({ env, home, ports, valkeyUrl }: FleetFacts): Variables {
  const inherited = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    ...Object.fromEntries(inherited),
    // The sources' types are taken off once, and not at each start: half the start's time, and 25 MB.
    NODE_COMPILE_CACHE: env.NODE_COMPILE_CACHE ?? join(home, 'compiled'),
    CRONIUM_VALKEY_URL: valkeyUrl,
    CRONIUM_RESULTS_URL: `http://${LOOPBACK}:${ports.results}`,
  };
}

export function producerEnvironment(facts: FleetFacts): Variables {
  return {
    ...common(facts),
    CRONIUM_HOST: LOOPBACK,
    CRONIUM_PORT: String(facts.ports.producer),
    CRONIUM_API_KEYS: `local=${facts.apiKey}`,
  };
}

export function resultsEnvironment(facts: FleetFacts): Variables {
  return {
    ...common(facts),
    CRONIUM_HOST: LOOPBACK,
    CRONIUM_PORT: String(facts.ports.results),
    CRONIUM_PRODUCER_URL: `http://${LOOPBACK}:${facts.ports.producer}`,
    CRONIUM_DATABASE_URL: facts.databaseUrl,
    CRONIUM_API_KEYS: `local=${facts.apiKey}`,
    CRONIUM_SECRETS_KEY: facts.secretsKey,
  };
}

export function workerEnvironment(facts: FleetFacts, worker: WorkerFacts): Variables {
  const demo = facts.gateways.map((gateway) => `${gateway}:${facts.ports.demo}`);
  const allowed = [facts.env.CRONIUM_EGRESS_ALLOW_PRIVATE, ...demo].filter(
    (one) => one !== undefined && one !== '',
  );
  return {
    ...common(facts),
    NODE_OPTIONS: `${SMALL.heap} ${facts.env.NODE_OPTIONS ?? ''}`.trim(),
    MALLOC_ARENA_MAX: SMALL.arenas,
    CRONIUM_HOST: LOOPBACK,
    CRONIUM_PORT: String(worker.port),
    CRONIUM_NODE: worker.node,
    CRONIUM_STATE_DIR: join(facts.home, 'nodes', worker.node),
    DOCKER_HOST: worker.dockerHost,
    CRONIUM_SHARED_NETWORK: worker.network,
    CRONIUM_SHARED_NAMES: Object.values(SHARED)
      .map(({ name, port }) => `${name}:${port}`)
      .join(','),
    ...sidecarValkey(facts),
    CRONIUM_RUNTIME_IMAGE: IMAGE_TAGS.runtimeApi,
    CRONIUM_BASH_IMAGE: IMAGE_TAGS.jobBash,
    CRONIUM_PYTHON_IMAGE: IMAGE_TAGS.jobPython,
    CRONIUM_NODE_IMAGE: IMAGE_TAGS.jobNode,
    CRONIUM_EGRESS_ALLOW_PRIVATE: allowed.join(','),
  };
}

/** The Valkey that the fleet brings has a user for sidecars; another one's operator says how they come in. */
function sidecarValkey({ env, valkeyUrl }: FleetFacts): Variables {
  if (env.CRONIUM_VALKEY_URL === valkeyUrl) return {};
  const { name, port } = SHARED.valkey;
  return { CRONIUM_SIDECAR_VALKEY_URL: `redis://${SIDECAR_USER}:-@${name}:${port}` };
}
