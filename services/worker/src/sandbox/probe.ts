import { LABEL, TOOLKIT_SOURCE } from '@cronium/contracts';
import { startContainer } from './containers.ts';
import type { DockerClient } from './docker.ts';
import type { ImageFacts } from './images.ts';
import { HARDENED, JOB_USER } from './job-container.ts';
import { readStored } from './log/stored.ts';
import type { SharedName } from './options.ts';
import { removeProbe } from './removal.ts';

const PROBE_MS = 30_000;
const REMOVE_MS = 10_000;
const CONNECT_SECONDS = 3;

/** What keeps this node from running jobs. */
export interface Blocker {
  readonly name: string;
  readonly message: string;
}

export interface ProbeInput {
  readonly image: ImageFacts;
  readonly node: string;
  readonly network: string;
  readonly names: readonly SharedName[];
  /** Ends the probe. When the proof has settled, nothing of it is left. */
  readonly signal: AbortSignal;
}

/**
 * Proves with a container on the shared network, where a sidecar would be, that each name resolves and takes
 * connections. Says for each that does not what to change.
 */
export async function probeSharedNetwork(client: DockerClient, input: ProbeInput): Promise<Blocker[]> {
  const { network, signal } = input;
  const network404 = await client.find({
    operation: `inspect network ${network}`,
    method: 'GET',
    path: `/networks/${encodeURIComponent(network)}`,
    signal,
  });
  if (network404 === undefined) {
    const message = `the shared network ${network} does not exist on this Docker engine: make it with "docker network create ${network}" and attach Valkey and results to it, or set CRONIUM_SHARED_NETWORK to the one they are on`;
    return [{ name: `network ${network}`, message }];
  }
  const answers = new Map((await runProbe(client, input)).map((line) => [line.index, line]));
  return input.names.flatMap((name, index) => verdict(network, name, answers.get(index)));
}

interface Answer {
  readonly index: number;
  readonly result: string;
  readonly address: string;
}

function verdict(network: string, { host, port }: SharedName, answer: Answer | undefined): Blocker[] {
  if (answer?.result === 'ok') return [];
  const name = `${host}:${port} on ${network}`;
  if (answer?.result === 'refused') {
    const message = `on the shared network ${network} the name ${host} resolves to ${answer.address}, but nothing accepts connections there on port ${port}: start that service, let it listen on that network's address, or correct CRONIUM_SHARED_NAMES`;
    return [{ name, message }];
  }
  const message = `on the shared network ${network} the name ${host} does not resolve: attach the service to it under that name ("docker network connect --alias ${host} ${network} <container>"), or correct CRONIUM_SHARED_NAMES or CRONIUM_SHARED_NETWORK`;
  return [{ name, message }];
}

/** Its creation is always waited for: who has no id can remove nothing. */
async function runProbe(client: DockerClient, input: ProbeInput): Promise<Answer[]> {
  const { signal } = input;
  const { Id: id } = await client.call<{ Id: string }>({
    operation: `create a probe on network ${input.network}`,
    method: 'POST',
    path: '/containers/create',
    body: probeOptions(input),
  });
  return client.endpoints.change(async () => {
    try {
      signal.throwIfAborted();
      await startContainer(client, id);
      await client.call({
        operation: `wait for the probe on network ${input.network}`,
        method: 'POST',
        path: `/containers/${id}/wait`,
        timeoutMs: PROBE_MS,
        signal,
      });
      return parseAnswers(await logText(client, id));
    } finally {
      await removeProbe(client, id, REMOVE_MS);
    }
  });
}

function probeOptions({ image, node, network, names }: ProbeInput) {
  return {
    Image: image.id,
    User: JOB_USER,
    Labels: {
      [LABEL.managed]: 'true',
      [LABEL.node]: node,
      [LABEL.role]: 'probe',
      [LABEL.createdAt]: String(Date.now()),
    },
    Entrypoint: [`${TOOLKIT_SOURCE}/busybox`, 'sh', '-c', PROBE, 'probe'],
    Cmd: names.flatMap(({ host, port }) => [host, String(port)]),
    Healthcheck: { Test: ['NONE'] },
    HostConfig: {
      ...HARDENED,
      NetworkMode: network,
      Memory: 64 * 1024 * 1024,
      PidsLimit: 32,
      LogConfig: { Type: 'local', Config: { 'max-size': '1m', 'max-file': '1', compress: 'false' } },
    },
  };
}

/**
 * Busybox resolves by itself (`nslookup`) and connects to an address: its static build must not be asked to connect to a
 * name, which needs the C library's plug-ins.
 */
const PROBE = `
b=${TOOLKIT_SOURCE}/busybox
i=0
while [ $# -gt 0 ]; do
  a=$("$b" nslookup "$1" 2>/dev/null | "$b" sed -n '/^Name:/,$s/^Address[ 0-9]*: *\\([0-9.]*\\).*/\\1/p' | "$b" head -n 1)
  if [ -z "$a" ]; then echo "$i unresolved -"
  elif "$b" nc -w ${CONNECT_SECONDS} "$a" "$2" -e "$b" true 2>/dev/null; then echo "$i ok $a"
  else echo "$i refused $a"; fi
  i=$((i + 1)); shift 2
done`;

async function logText(client: DockerClient, id: string): Promise<string> {
  const parts: Buffer[] = [];
  const signal = AbortSignal.timeout(PROBE_MS);
  for await (const { bytes } of readStored(client, id, { follow: false, signal })) parts.push(bytes);
  return Buffer.concat(parts).toString();
}

function parseAnswers(text: string): Answer[] {
  return text.split('\n').flatMap((line): Answer[] => {
    const [index, result, address] = line.split(' ');
    return result === undefined ? [] : [{ index: Number(index), result, address: address ?? '' }];
  });
}
