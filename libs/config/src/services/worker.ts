import { availableParallelism, hostname, totalmem } from 'node:os';
import { placesIn } from '@cronium/contracts';
import { type ConfigOf, defineConfig, field, optionalField, type Values } from '../define.ts';
import type { ConfigProblem } from '../errors.ts';
import { http, logging, resultsUrl, shutdown, telemetry, valkey } from '../groups.ts';
import {
  bytes,
  cidr,
  hostPort,
  integer,
  list,
  nodeName,
  pairs,
  positiveSeconds,
  prefixLength,
  seconds,
  sharedServices,
  text,
  url,
} from '../kinds.ts';

const node = {
  CRONIUM_NODE: field(nodeName, {
    doc: 'The name of this node. Two workers must never share one: the second takes no jobs while the first lives, and says so in `/ready`.',
    default: { text: 'the host’s name', value: hostname },
  }),
  CRONIUM_STATE_DIR: field(text, {
    doc: 'The folder for what must outlive the worker: its key, its containers’ bindings, outcomes not yet reported. One per node.',
    default: '/var/lib/cronium',
  }),
  CRONIUM_SLOTS: field(integer({ min: 1, max: 1000 }), {
    doc: 'How many jobs this node runs at once.',
    default: { text: 'two for each processor', value: () => String(availableParallelism() * 2) },
  }),
  CRONIUM_WARM_MEMORY: field(bytes, {
    doc: 'How much memory this node may spend on sandboxes that wait for jobs: an idle slot takes about 64 MiB, most of it its sidecar. 0 keeps none ready.',
    default: { text: 'an eighth of the machine’s memory', value: () => String(Math.floor(totalmem() / 8)) },
  }),
  CRONIUM_POOLS: field(list(text), {
    doc: 'The pools that this node serves, with commas between them.',
    default: 'default',
  }),
  CRONIUM_NODE_LABELS: field(pairs, {
    doc: 'What jobs may require of a node, as name=value pairs.',
    default: '',
    example: 'gpu=true,zone=a',
  }),
};

const docker = {
  DOCKER_HOST: field(url('unix', 'tcp', 'http'), {
    doc: 'The Docker engine that this node drives.',
    default: 'unix:///var/run/docker.sock',
  }),
  CRONIUM_SHARED_NETWORK: field(text, {
    doc: 'The Docker network on which sidecars reach the shared services. Job containers are never on it.',
    default: 'cronium-shared',
  }),
  CRONIUM_SHARED_NAMES: field(list(hostPort), {
    doc: 'What must resolve and accept connections on the shared network before this node takes jobs. The first is Valkey, the second results.',
    default: 'valkey:6379,results:7071',
  }),
  CRONIUM_SIDECAR_VALKEY_URL: optionalField(url('redis', 'rediss'), {
    doc: 'Valkey as sidecars reach it on the shared network, best with a user that may only look up revoked tokens: user sidecar on nopass ~*:revoked:* +exists +ping +info. Default: CRONIUM_VALKEY_URL at the first shared name.',
    example: 'redis://sidecar:-@valkey:6379',
    secret: true,
  }),
  CRONIUM_SUBNET_RANGE: field(cidr, {
    doc: 'The addresses from which this node cuts a small subnet for each job. Nothing else on the host may use them; nodes may use the same.',
    default: '10.201.0.0/16',
  }),
  CRONIUM_SUBNET_SIZE: field(prefixLength, {
    doc: 'The size of each job’s subnet.',
    default: '/28',
  }),
  CRONIUM_REGISTRY_AUTH_FILE: optionalField(text, {
    doc: 'A file with the credentials of registries, as docker login writes it (auths of config.json). It is read at each pull.',
    example: '/etc/cronium/registries.json',
  }),
  CRONIUM_RUNTIME_IMAGE: field(text, {
    doc: 'The image of the sidecar.',
    default: 'cronium/runtime-api:local',
  }),
  CRONIUM_BASH_IMAGE: field(text, {
    doc: 'The image for Bash scripts that name none.',
    default: 'cronium/job-bash:local',
  }),
  CRONIUM_PYTHON_IMAGE: field(text, {
    doc: 'The image for Python scripts that name none.',
    default: 'cronium/job-python:local',
  }),
  CRONIUM_NODE_IMAGE: field(text, {
    doc: 'The image for Node scripts that name none, and for http and tool jobs.',
    default: 'cronium/job-node:local',
  }),
};

const attempts = {
  CRONIUM_LOCK_SECONDS: field(positiveSeconds, {
    doc: 'How long a job stays with a worker that has gone silent. After it another node runs the job again.',
    default: '15',
  }),
  CRONIUM_FREEZE_SECONDS: field(seconds, {
    doc: 'While Valkey does not say whether a job is still this node’s, its container is held still; for this long, then it is killed. 0 kills it as soon as its lock may be over.',
    default: '300',
  }),
  CRONIUM_STALLED_CHECK_SECONDS: field(positiveSeconds, {
    doc: 'How often this worker looks for jobs whose worker has gone silent.',
    default: '5',
  }),
  CRONIUM_SETUP_TIMEOUT_SECONDS: field(positiveSeconds, {
    doc: 'How long a tenant’s pre-task script, a job’s setup and its preTask may take together. The job’s own timeout counts from the main program alone.',
    default: '120',
  }),
  CRONIUM_STOP_GRACE_SECONDS: field(positiveSeconds, {
    doc: 'How long a job has between SIGTERM and SIGKILL when it is cancelled or out of time.',
    default: '10',
  }),
  CRONIUM_DRAIN_SECONDS: field(seconds, {
    doc: 'After SIGTERM: how long running jobs may take to end. Those that still run are left running and taken back by the next start.',
    default: '30',
  }),
  CRONIUM_BACKLOG_MAX: field(integer({ min: 1, max: 100_000 }), {
    doc: 'How many ended attempts may wait on this node for the results service. At this number the node takes no more jobs.',
    default: '100',
  }),
  CRONIUM_DISK_MIN_FREE_BYTES: field(bytes, {
    doc: 'Below this much free space on the disk of the state directory, or of Docker where it is on this host, the node takes no jobs. 0 does not look.',
    default: '1GiB',
  }),
  CRONIUM_LOG_MAX_BYTES: field(bytes, {
    doc: 'How much output of one attempt is kept. Past it the head and the tail are kept and the omitted bytes are counted.',
    default: '256MiB',
  }),
  CRONIUM_EGRESS_ALLOW_PRIVATE: field(list(text), {
    doc: 'Private addresses that jobs with egress may reach all the same, as ranges (10.1.0.0/16) or host:port. All others are refused.',
    default: '',
    example: '10.1.0.0/16,192.168.7.4:443',
  }),
  CRONIUM_SERVICES: field(sharedServices, {
    doc: 'Shared services that jobs may ask for in their "services", as name=host:port: a job that names one reaches it under that name and port. The host is looked up on the shared network. name:port=host:port shows jobs another port; a name may stand several times.',
    default: '',
    example: 'reporting-db=db.internal:5432,search:9200=es.internal:19200',
  }),
};

const fields = {
  ...node,
  ...docker,
  ...http({ port: 7072 }),
  ...valkey,
  ...resultsUrl,
  ...attempts,
  ...shutdown({ seconds: 60 }),
  ...logging,
  ...telemetry,
};

/** All that the worker reads from its environment. */
export const workerConfig = defineConfig(fields, wrongServices);

/** The worker's configuration. */
export type WorkerConfig = ConfigOf<typeof workerConfig>;

type ServiceSettings = Pick<
  Values<typeof fields>,
  | 'CRONIUM_SERVICES'
  | 'CRONIUM_SHARED_NAMES'
  | 'CRONIUM_SUBNET_SIZE'
  | 'CRONIUM_VALKEY_URL'
  | 'CRONIUM_SIDECAR_VALKEY_URL'
  | 'CRONIUM_RESULTS_URL'
>;

/** Services that have no place in a job's network, or that are none of a job's business. */
function wrongServices(settings: ServiceSettings): ConfigProblem[] {
  const { CRONIUM_SERVICES: services, CRONIUM_SUBNET_SIZE: subnetBits } = settings;
  const own = ownPlaces(settings);
  const variable = 'CRONIUM_SERVICES';
  const problems: string[] = [];
  const targets = services.flatMap(({ name, ports }) => ports.map(({ target }) => ({ name, ...target })));
  for (const { name, host, port } of targets) {
    if (own.has(place(host, port)))
      problems.push(`${name} is ${host}:${port}, which the fleet itself needs: jobs must not reach that`);
  }
  const places = 1 + Math.max(0, ...services.map(({ place }) => place));
  if (places > placesIn(subnetBits)) {
    problems.push(
      `${places} services share a port, and a subnet of /${subnetBits} has addresses for ${placesIn(subnetBits)}: let jobs see another port of some (name:port=host:port), or set CRONIUM_SUBNET_SIZE to a larger subnet`,
    );
  }
  return problems.map((message) => ({ variable, message: `${variable}: ${message}.` }));
}

const DEFAULT_PORTS: Readonly<Record<string, number>> = {
  'redis:': 6379,
  'rediss:': 6379,
  'http:': 80,
  'https:': 443,
};

const place = (host: string, port: number): string => `${host.toLowerCase()}:${port}`;

/** Where the fleet's own services are, by the names of the shared network and as this node reaches them. */
function ownPlaces(settings: ServiceSettings): ReadonlySet<string> {
  const names = settings.CRONIUM_SHARED_NAMES.map(({ host, port }) => place(host, port));
  const urls = [
    settings.CRONIUM_VALKEY_URL,
    settings.CRONIUM_SIDECAR_VALKEY_URL,
    settings.CRONIUM_RESULTS_URL,
  ].filter((one) => one !== undefined);
  const reached = urls.map((one) => {
    const { protocol, hostname, port } = new URL(one);
    return place(hostname, Number(port) || (DEFAULT_PORTS[protocol] ?? 0));
  });
  return new Set([...names, ...reached]);
}
