import type { Duplex } from 'node:stream';
import {
  type EgressPolicy,
  formatTraceparent,
  type ServiceRoute,
  type SidecarCommand,
  SPAN,
  sidecarName,
  spanIdFor,
} from '@cronium/contracts';
import { deadline } from '@cronium/lifecycle';
import type { ContainerCreateOptions } from 'dockerode';
import { attachContainer, createContainer, inspectContainer, short, startContainer } from '../containers.ts';
import type { DockerClient } from '../docker.ts';
import type { ImageFacts } from '../images.ts';
import { HARDENED, JOB_USER, NO_FORWARDING } from '../job-container.ts';
import type { DockerRuntimeOptions } from '../options.ts';
import type { SandboxBinding, SandboxRequest, ServedAttempt } from '../runtime.ts';
import { furtherAddresses } from '../services.ts';
import { subnetFromCidr } from '../subnets.ts';
import { together } from '../together.ts';
import { type GiveAddresses, giveAddresses } from './addresses.ts';
import type { SlotNetwork } from './network.ts';
import { SidecarLine } from './sidecar-line.ts';

const MIB = 1024 * 1024;

export interface StartSidecar {
  readonly slot: string;
  readonly network: SlotNetwork;
  readonly image: ImageFacts;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: DockerRuntimeOptions;
  readonly readyMs: number;
  /** May a container of the same name be removed? */
  mayReplace(id: string, labels: Readonly<Record<string, string>>): boolean;
  /** Told the container's id before it starts. */
  onCreated(id: string): void;
}

/** A sidecar that is ready to be bound to an attempt. */
export interface Sidecar {
  readonly id: string;
  readonly line: SidecarLine;
}

/**
 * Creates a slot's sidecar on the shared network and on the slot's own, starts it, and hands it its configuration.
 * @throws SandboxError `sidecar` when it ends or does not get ready in time
 */
export async function startSidecar(client: DockerClient, start: StartSidecar): Promise<Sidecar> {
  const { network, mayReplace } = start;
  const name = sidecarName(start.slot);
  const id = await createContainer(client, { name, options: sidecarOptions(start), mayReplace });
  start.onCreated(id);
  await client.call({
    operation: `connect sidecar ${name} to ${network.name}`,
    method: 'POST',
    path: `/networks/${network.id}/connect`,
    body: { Container: id, EndpointConfig: { IPAMConfig: { IPv4Address: network.sidecarAddress } } },
  });
  const line = openLine(await attachContainer(client, id), name, start.options);
  try {
    await client.endpoints.change(() => startContainer(client, id));
    using limit = deadline(start.readyMs, 'the sidecar was not ready in time');
    // All must have ended before anything of the slot is removed.
    await together([
      line.ask(configureCommand(network.sidecarAddress, start.options), limit),
      giveAddresses(client, addressesOf(id, start)),
    ]);
    return { id, line };
  } catch (error) {
    line.close();
    throw error;
  }
}

/** What a sidecar serves: enough to give it to one that was started again. */
export interface SidecarDuty {
  /** After a crash of the worker the values of secrets are not known: the sidecar asks results for them then. */
  readonly request: Pick<SandboxRequest, 'jobId' | 'attempt' | 'attemptId' | 'payload' | 'spec'> &
    Partial<Pick<SandboxRequest, 'secrets'>>;
  /** Its own, on the slot's network. */
  readonly sidecarAddress: string;
  /** The shared services that it opens for the job. */
  readonly services: readonly ServiceRoute[];
  readonly options: DockerRuntimeOptions;
  /** To the sidecar as it was first started, where this process holds it. */
  readonly line?: SidecarLine | undefined;
}

/**
 * Asks a sidecar that runs how it is. On another line than its first one nothing else is asked of it: a late answer to the
 * same question of a line before says as well how it is now.
 * @returns what is wrong with it; `undefined` when it is well
 * @throws SandboxError `sidecar` when it does not answer in time, `docker` when it can't be asked
 */
export async function askSidecar(
  client: DockerClient,
  id: string,
  {
    line,
    answerMs,
    signal,
  }: Pick<SidecarDuty, 'line'> & { readonly answerMs: number; readonly signal: AbortSignal },
): Promise<string | undefined> {
  using own = line?.isOpen ? undefined : await anotherLine(client, id, signal);
  using limit = deadline(answerMs, 'the sidecar did not answer in time', signal);
  return await (own?.line ?? line)?.health(limit);
}

async function anotherLine(
  client: DockerClient,
  id: string,
  signal: AbortSignal,
): Promise<Disposable & { readonly line: SidecarLine }> {
  const socket = await attachContainer(client, id, signal);
  // Its last worker may have died in the middle of a line.
  socket.write('\n');
  const line = new SidecarLine(socket, short(id), () => undefined);
  return { line, [Symbol.dispose]: () => line.close() };
}

/** The duty of the sidecar of a bound attempt, to which this process holds no line. */
export function dutyOf(
  { jobId, attempt, attemptId, subnet, services = [] }: SandboxBinding,
  served: ServedAttempt & Partial<Pick<SandboxRequest, 'secrets'>>,
  options: DockerRuntimeOptions,
): SidecarDuty {
  const sidecarAddress = subnetFromCidr(subnet)?.sidecarAddress ?? '';
  return { request: { jobId, attempt, attemptId, ...served }, sidecarAddress, services, options };
}

/**
 * Starts a sidecar that died again and gives it the attempt that it served.
 * @throws SandboxError `sidecar` when it ends or does not get ready in time
 */
export async function reviveSidecar(
  client: DockerClient,
  id: string,
  {
    duty,
    readyMs,
    signal,
  }: { readonly duty: SidecarDuty; readonly readyMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { sidecarAddress, options } = duty;
  const line = openLine(await attachContainer(client, id), sidecarName(duty.request.jobId), options);
  try {
    await client.endpoints.change(() => startContainer(client, id));
    await giveAgain(client, id, duty);
    using limit = deadline(readyMs, 'the sidecar was not ready in time', signal);
    await line.ask(configureCommand(sidecarAddress, options), limit);
    await line.ask(bindCommand(duty), limit);
  } finally {
    // Its stdin stays open without us: a sidecar outlives its worker.
    line.close();
  }
}

/** What a sidecar warns of stands in the worker's log: its own goes with it. */
function openLine(socket: Duplex, name: string, { logger }: DockerRuntimeOptions): SidecarLine {
  return new SidecarLine(socket, name, ({ level: _, msg, ...facts }) =>
    logger.warn({ sidecar: name, said: msg, ...facts }, 'a sidecar warns'),
  );
}

function addressesOf(sidecarId: string, { image, labels, network, options }: StartSidecar): GiveAddresses {
  const further = furtherAddresses(options.services, network);
  return { sidecarId, imageId: image.id, labels, own: network.sidecarAddress, further };
}

/** Only those that its job needs: it serves no other after it. */
async function giveAgain(
  client: DockerClient,
  sidecarId: string,
  { services, sidecarAddress: own }: SidecarDuty,
): Promise<void> {
  const further = new Set(services.map(({ address }) => address).filter((address) => address !== own));
  if (further.size === 0) return;
  const found = await inspectContainer(client, sidecarId);
  if (found === undefined) return;
  const { Image: imageId, Config } = found;
  await giveAddresses(client, { sidecarId, imageId, labels: Config.Labels, own, further: [...further] });
}

function sidecarOptions({ image, labels, options }: StartSidecar): ContainerCreateOptions {
  return {
    Image: image.id,
    User: JOB_USER,
    Labels: { ...labels },
    Healthcheck: { Test: ['NONE'] },
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    OpenStdin: true,
    StdinOnce: false,
    HostConfig: {
      ...HARDENED,
      // Services may have any port, and the sidecar has no rights.
      Sysctls: { ...NO_FORWARDING, 'net.ipv4.ip_unprivileged_port_start': '0' },
      NetworkMode: options.sharedNetwork,
      Tmpfs: { '/tmp': 'rw,noexec,nosuid,nodev,mode=1777,size=16m' },
      Memory: 256 * MIB,
      MemorySwap: 256 * MIB,
      NanoCpus: 5e8,
      PidsLimit: 64,
      LogConfig: { Type: 'local', Config: { 'max-size': '1m', 'max-file': '1', compress: 'false' } },
    },
    NetworkingConfig: { EndpointsConfig: { [options.sharedNetwork]: {} } },
  };
}

function configureCommand(address: string, options: DockerRuntimeOptions): SidecarCommand {
  const [valkey, results] = options.sharedNames;
  const { kty, crv, x, kid } = options.nodeKey.publicJwk;
  return {
    type: 'configure',
    address,
    prefix: options.prefix,
    valkeyUrl: options.valkeyUrl ?? `redis://${valkey?.host}:${valkey?.port}`,
    resultsUrl: options.resultsUrl ?? `http://${results?.host}:${results?.port}`,
    jwks: [{ kty: String(kty), crv, x, kid, alg: 'EdDSA', use: 'sig' }],
  };
}

/** What a sidecar must know of the attempt that it serves. */
export function bindCommand({
  request,
  options,
  services,
}: Pick<SidecarDuty, 'request' | 'options' | 'services'>): SidecarCommand {
  const { attemptId, jobId, attempt, spec, payload } = request;
  return {
    type: 'bind',
    attemptId,
    jobId,
    input: spec.input,
    context: {
      executionId: attemptId,
      jobId,
      attempt,
      name: spec.name,
      type: spec.type,
      tenant: payload.tenant,
      startTime: new Date().toISOString(),
      labels: spec.labels,
      batchId: payload.batchId ?? null,
      traceparent: formatTraceparent({
        traceId: payload.traceId,
        spanId: spanIdFor(attemptId, SPAN.run),
        sampled: true,
      }),
    },
    secrets: [...spec.secrets],
    // What the log masks is what the job gets, also when it is changed while the job runs.
    ...(spec.secrets.length > 0 && request.secrets !== undefined && { secretValues: { ...request.secrets } }),
    egress: egressPolicy(request, options.egressAllowPrivate),
    ...(services.length > 0 && { services: [...services] }),
  };
}

/** What the sidecar's proxy lets through. An http job with no egress of its own may reach the address that it names. */
export function egressPolicy(
  { spec }: Pick<SandboxRequest, 'spec'>,
  allowPrivate: readonly string[],
): EgressPolicy {
  const open = { allowPrivate: [...allowPrivate] };
  if (spec.egress === 'internet') return { mode: 'internet', allow: [], ...open };
  if (spec.egress !== 'none') return { mode: 'allow', allow: [...spec.egress.allow], ...open };
  if (spec.type !== 'http') return { mode: 'none', allow: [], ...open };
  const url = new URL(spec.http.url);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return { mode: 'allow', allow: [`${url.hostname}:${port}`], ...open };
}
