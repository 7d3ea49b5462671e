import type { Duplex } from 'node:stream';
import {
  type EgressPolicy,
  formatTraceparent,
  type SidecarCommand,
  SPAN,
  sidecarName,
  sidecarReply,
  spanIdFor,
} from '@cronium/contracts';
import { deadline } from '@cronium/lifecycle';
import type { ContainerCreateOptions } from 'dockerode';
import { attachContainer, createContainer, startContainer } from './containers.ts';
import type { DockerClient } from './docker.ts';
import type { ImageFacts } from './images.ts';
import { HARDENED, JOB_USER } from './job-container.ts';
import { FrameDecoder } from './log/frames.ts';
import type { JobNetwork } from './network.ts';
import type { DockerRuntimeOptions } from './options.ts';
import { SandboxError, type SandboxRequest } from './runtime.ts';

const MIB = 1024 * 1024;
const STDERR_TAIL = 2000;
const MAX_REPLY = 64 * 1024;

export interface StartSidecar {
  readonly request: SandboxRequest;
  readonly network: JobNetwork;
  readonly image: ImageFacts;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: DockerRuntimeOptions;
  readonly readyMs: number;
  /** Told the container's id before it starts. */
  onCreated(id: string): void;
  readonly signal: AbortSignal;
}

/**
 * Creates the attempt's sidecar on the shared network and on the job's, starts it, and hands it its configuration and
 * the attempt. When this resolves the sidecar serves the attempt.
 * @returns the container's id
 * @throws SandboxError `sidecar` when it ends or does not get ready in time
 */
export async function startSidecar(client: DockerClient, start: StartSidecar): Promise<string> {
  const { request, network, signal } = start;
  const id = await createContainer(client, {
    name: sidecarName(request.jobId),
    options: sidecarOptions(start),
    owner: request,
  });
  start.onCreated(id);
  await client.call({
    operation: `connect sidecar ${sidecarName(request.jobId)} to ${network.name}`,
    method: 'POST',
    path: `/networks/${network.id}/connect`,
    body: { Container: id, EndpointConfig: { IPAMConfig: { IPv4Address: network.sidecarAddress } } },
  });
  const socket = await attachContainer(client, id);
  try {
    const conversation = new Conversation(socket, sidecarName(request.jobId));
    await startContainer(client, id);
    using limit = deadline(start.readyMs, 'the sidecar was not ready in time', signal);
    await conversation.ask(configureCommand(start), 'ready', limit);
    await conversation.ask(bindCommand(start), 'bound', limit);
  } finally {
    // Its stdin stays open without us: a sidecar outlives its worker.
    socket.destroy();
  }
  return id;
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

function configureCommand({ network, options, request }: StartSidecar): SidecarCommand {
  const [valkey, results] = options.sharedNames;
  const { kty, crv, x, kid } = request.nodeKey.publicJwk;
  return {
    type: 'configure',
    address: network.sidecarAddress,
    prefix: options.prefix,
    valkeyUrl: options.valkeyUrl ?? `redis://${valkey?.host}:${valkey?.port}`,
    resultsUrl: options.resultsUrl ?? `http://${results?.host}:${results?.port}`,
    jwks: [{ kty: String(kty), crv, x, kid, alg: 'EdDSA', use: 'sig' }],
  };
}

function bindCommand({ request, options }: StartSidecar): SidecarCommand {
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
    ...(spec.secrets.length > 0 && { secretValues: { ...request.secrets } }),
    egress: egressPolicy(request, options.egressAllowPrivate),
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

/** One line of JSON to the sidecar, one line of JSON back. */
class Conversation {
  readonly #socket: Duplex;
  readonly #name: string;
  readonly #decoder = new FrameDecoder();
  #stdout = '';
  #stderr = '';
  #lines: string[] = [];
  #ended = false;
  #wake: () => void = () => undefined;

  constructor(socket: Duplex, name: string) {
    this.#socket = socket;
    this.#name = name;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    for (const event of ['end', 'close', 'error']) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** @throws SandboxError `sidecar` */
  async ask(command: SidecarCommand, wanted: 'ready' | 'bound', signal: AbortSignal): Promise<void> {
    this.#socket.write(`${JSON.stringify(command)}\n`);
    for (;;) {
      const line = await this.#line(signal, command.type);
      const reply = sidecarReply.safeParse(parseJson(line));
      if (!reply.success) continue;
      if (reply.data.type === wanted) return;
      if (reply.data.type === 'error')
        throw this.#failure(`refused to ${command.type}: ${reply.data.message}`);
    }
  }

  async #line(signal: AbortSignal, doing: string): Promise<string> {
    for (;;) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (signal.aborted) throw this.#failure(`did not answer "${doing}" in time`, signal.reason);
      if (this.#ended) throw this.#failure(`ended before it answered "${doing}"`);
      await this.#change(signal);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    signal.addEventListener('abort', () => resolve(), { once: true });
    return promise;
  }

  #take(chunk: Buffer): void {
    for (const { stream, bytes } of this.#decoder.push(chunk)) {
      if (stream === 'stderr') this.#stderr = (this.#stderr + bytes).slice(-STDERR_TAIL);
      else this.#stdout = (this.#stdout + bytes).slice(-MAX_REPLY);
    }
    const lines = this.#stdout.split('\n');
    this.#stdout = lines.pop() ?? '';
    this.#lines.push(...lines);
    this.#wake();
  }

  #failure(what: string, cause?: unknown): SandboxError {
    const said = this.#stderr.trim();
    const detail = said === '' ? '' : `; its last words: ${said}`;
    return new SandboxError('sidecar', `the sidecar ${this.#name} ${what}${detail}`, { cause });
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // A line of its log, and not a reply.
    return undefined;
  }
}
