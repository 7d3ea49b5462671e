import './without-ssh.ts';

import { setMaxListeners } from 'node:events';
import { Agent } from 'node:http';
import { availableParallelism } from 'node:os';
import { addAbortSignal, type Duplex, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { DeadlineError, deadline, waitFor } from '@cronium/lifecycle';
import Modem from 'docker-modem';
import { Slots } from '../claim/slots.ts';
import { EndpointGate } from './endpoint-gate.ts';
import { HostLock } from './host-lock.ts';
import { SandboxError } from './runtime.ts';

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE']);
const CONNECTION_LOST: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE']);

/** What makes the daemon work: processes, mounts, namespaces. */
const DEAR =
  /^(POST \/(containers|networks)\/create|POST \/containers\/[^/]+\/start|POST \/networks\/[^/]+\/connect|DELETE \/(containers|networks)\/[^/]+)$/;
/** So many of these go on at once: more would only share the same processors, until none ends within its deadline. */
const DEAR_AT_ONCE = Math.max(16, 2 * availableParallelism());
const NEVER = new AbortController().signal;
setMaxListeners(0, NEVER);

/** One request to the daemon. */
export interface DockerCall {
  /** What is being done and to what, for people: `create network cronium-job-…`. */
  readonly operation: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: object;
  /** The status codes that are fine; default 200 to 204. */
  readonly accept?: readonly number[];
  /** Default: the client's; `Infinity` for a call that waits for something to happen. For a stream: until its headers. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** The base64 of the registry's credentials. */
  readonly registryAuth?: string;
}

/** What became of a call, in words of a bounded number. */
export interface CallFacts {
  /** What is done to what: `containers.start`. */
  readonly call: string;
  /** `ok`, the daemon's status, `timeout`, `away` or `aborted`. */
  readonly result: string;
  readonly milliseconds: number;
}
export type CallObserver = (facts: CallFacts) => void;

export interface ClientOptions {
  /** How long a call may take unless it says otherwise. */
  readonly callMs: number;
  /** False: a connection for each call. */
  readonly keepAlive?: boolean;
  /** Told of every call that was answered or failed; waits for something to happen are not told. */
  readonly onCall?: CallObserver | undefined;
}

type Shape = { readonly isStream?: boolean; readonly hijack?: boolean };

/**
 * The one way to the Docker daemon: each call has a deadline and says what it was when it fails. A failure is a
 * `SandboxError`: `aborted` when the caller's signal ended it, else `docker`, with the daemon's status where it
 * answered; nobody reads the daemon's words to decide.
 */
export class DockerClient {
  /** Where the daemon is, for messages. */
  readonly address: string;
  /** Is the daemon on this machine, so that its cgroups and routes are ours to read? */
  readonly isLocal: boolean;
  /** Where what has endpoints is started, removed and renamed. */
  readonly endpoints: EndpointGate;
  readonly #modem: Modem;
  readonly #agent: Agent;
  readonly #dear = new Slots(DEAR_AT_ONCE);
  readonly #callMs: number;
  readonly #onCall: CallObserver | undefined;

  /**
   * @param dockerHost `unix:///var/run/docker.sock` or `tcp://host:2375`
   */
  constructor(dockerHost: string, options: ClientOptions) {
    const url = new URL(dockerHost);
    this.address = dockerHost;
    this.endpoints = new EndpointGate(new HostLock(dockerHost));
    this.isLocal = url.protocol === 'unix:';
    this.#agent = agentFor(options);
    this.#callMs = options.callMs;
    this.#onCall = options.onCall;
    this.#modem = new Modem({ ...endpoint(url), agent: this.#agent });
  }

  /** Calls the daemon and returns its JSON answer. */
  async call<T = unknown>(call: DockerCall): Promise<T> {
    try {
      return (await this.#dial(call, {})) as T;
    } catch (error) {
      if (!IDEMPOTENT.has(call.method) || !isConnectionLost(error)) throw error;
      // A kept connection that the daemon had closed: nothing was lost by asking again.
      return (await this.#dial(call, {})) as T;
    }
  }

  /** Calls the daemon; `undefined` when it answers 404. */
  async find<T>(call: DockerCall): Promise<T | undefined> {
    try {
      return await this.call<T>(call);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Calls the daemon and returns the answer's body as it comes. */
  async stream(call: DockerCall): Promise<Readable & { headers: NodeJS.Dict<string | string[]> }> {
    return (await this.#dial(call, { isStream: true })) as Readable & {
      headers: NodeJS.Dict<string | string[]>;
    };
  }

  /** Calls the daemon and returns its answer of one JSON value a line, which ends by itself. */
  async lines<T>(call: DockerCall): Promise<T[]> {
    using limit = deadline(call.timeoutMs ?? this.#callMs, call.operation, call.signal);
    const body = addAbortSignal(limit, await this.stream({ ...call, signal: limit }));
    const lines = (await text(body)).split('\n').filter((line) => line.trim() !== '');
    return lines.map((line) => JSON.parse(line) as T);
  }

  /** Calls the daemon and takes over the connection. */
  async hijack(call: DockerCall): Promise<Duplex> {
    return (await this.#dial(call, { hijack: true })) as Duplex;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** A call that is dear waits for its turn here, where no deadline of its own runs yet. */
  async #dial(call: DockerCall, shape: Shape): Promise<unknown> {
    if (!DEAR.test(`${call.method} ${call.path}`)) return this.#exchange(call, shape);
    using _turn = await this.#dear.take(call.signal ?? NEVER).catch((error) => {
      throw this.#explain(call, error);
    });
    return await this.#exchange(call, shape);
  }

  async #exchange(call: DockerCall, shape: Shape): Promise<unknown> {
    const timeoutMs = call.timeoutMs ?? this.#callMs;
    using limit =
      timeoutMs === Infinity ? endless(call.signal) : deadline(timeoutMs, call.operation, call.signal);
    const request = new AbortController();
    const since = performance.now();
    try {
      const answer = await waitFor(this.#request(call, shape, request.signal), limit);
      this.#tell(call, since, 'ok');
      return answer;
    } catch (error) {
      request.abort();
      const explained = this.#explain(call, error);
      this.#tell(call, since, resultOf(explained));
      throw explained;
    }
  }

  #tell(call: DockerCall, since: number, result: string): void {
    if (call.timeoutMs === Infinity) return;
    this.#onCall?.({ call: nameOf(call), result, milliseconds: performance.now() - since });
  }

  #request(call: DockerCall, shape: Shape, abortSignal: AbortSignal): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const accepted = call.accept ?? [200, 201, 202, 204];
    this.#modem.dial(
      {
        ...shape,
        path: `${call.path}?`,
        method: call.method,
        options: { _query: call.query ?? {}, _body: call.body ?? {} },
        ...(call.registryAuth === undefined ? {} : { authconfig: { base64: call.registryAuth } }),
        // A stream outlives the call; its owner destroys it.
        abortSignal,
        statusCodes: Object.fromEntries(accepted.map((status) => [status, true])),
      },
      (error, answer) => (error ? reject(error) : resolve(answer)),
    );
    return promise;
  }

  #explain(call: DockerCall, error: unknown): SandboxError {
    if (call.signal?.aborted) {
      return new SandboxError('aborted', `${call.operation}: given up`, { cause: call.signal.reason });
    }
    const cause = error instanceof Error ? error : new Error(String(error));
    if (cause instanceof DeadlineError) {
      const detail = `the Docker daemon at ${this.address} did not answer in ${cause.milliseconds / 1000} s`;
      return new SandboxError('docker', `${call.operation}: ${detail}`, { cause });
    }
    const status = statusOf(cause);
    const detail =
      status === undefined
        ? `cannot talk to the Docker daemon at ${this.address}: ${cause.message}`
        : daemonSays(cause);
    const options = status === undefined ? { cause } : { cause, statusCode: status };
    return new SandboxError('docker', `${call.operation}: ${detail}`, options);
  }
}

/** The HTTP status that the daemon answered with, if it did. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

/** Did the daemon not answer at all: away, hanging, or the connection broke? */
export function isDaemonAway(error: unknown): boolean {
  return error instanceof SandboxError && error.code === 'docker' && error.statusCode === undefined;
}

function resultOf(error: SandboxError): string {
  if (error.code === 'aborted') return 'aborted';
  if (error.cause instanceof DeadlineError) return 'timeout';
  return error.statusCode === undefined ? 'away' : String(error.statusCode);
}

const VERBS: ReadonlySet<string> = new Set(
  'attach archive connect create disconnect events info json kill logs prune rename start stats stop wait'.split(
    ' ',
  ),
);

/** `POST /containers/<id>/start` is `containers.start`: what varies is left out. */
function nameOf({ method, path }: DockerCall): string {
  const parts =
    path
      .split('?')[0]
      ?.split('/')
      .filter((part) => part !== '') ?? [];
  const [things = 'daemon'] = parts;
  const last = parts.length > 1 ? parts.at(-1) : undefined;
  return `${things}.${last !== undefined && VERBS.has(last) ? last : method.toLowerCase()}`;
}

/**
 * The library writes all of each call, the agent and its sockets too, into a text for debugging that nobody reads: three
 * quarters of a busy worker's processor time. An agent that is a word there costs nothing.
 */
function agentFor({ keepAlive = true }: ClientOptions): Agent {
  const agent = new Agent({ keepAlive, maxFreeSockets: 32 });
  return Object.assign(agent, { [inspect.custom]: () => 'Agent' });
}

/** Both explicit: the modem would fill a missing one from its own reading of the environment. */
function endpoint(url: URL) {
  if (url.protocol === 'unix:')
    return { socketPath: url.pathname, host: undefined, protocol: 'http' as const };
  return { host: url.hostname, port: url.port || '2375', socketPath: undefined, protocol: 'http' as const };
}

function endless(signal: AbortSignal | undefined): AbortSignal & Disposable {
  const controller = new AbortController();
  const onAbort = () => controller.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  const dispose = () => signal?.removeEventListener('abort', onAbort);
  return Object.assign(controller.signal, { [Symbol.dispose]: dispose });
}

/** Did the connection break before the answer came? What was asked for may have been done. */
export function isConnectionLost(error: unknown): boolean {
  const cause = error instanceof SandboxError ? error.cause : undefined;
  return (
    cause instanceof Error &&
    'code' in cause &&
    typeof cause.code === 'string' &&
    CONNECTION_LOST.has(cause.code)
  );
}

/** The daemon's own words, without the client's wrapping. */
function daemonSays(error: Error): string {
  const body = 'json' in error ? error.json : undefined;
  if (typeof body === 'object' && body !== null && 'message' in body && typeof body.message === 'string') {
    return body.message;
  }
  // Of a stream the client keeps no body, only its own sentence around the daemon's.
  return error.message.replace(/^\(HTTP code \d+\) \S+ - /, '').trim();
}
