import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { send } from './answers.ts';
import { type Destination, EgressRefusedError, type EgressRules, parseDestination } from './egress.ts';
import { forward } from './forward.ts';
import { forbidden, problemAnswer, RefusedError } from './problems.ts';
import { rawRefusal, refuseUnreadable } from './raw-refusal.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 300_000;
const MAX_CONNECTIONS = 256;
const MOST_TRIED_ADDRESSES = 4;

export interface ProxyDeps {
  /** Aborts when the attempt that is bound at the moment ends. */
  ended(): AbortSignal;
  /** Told of each destination that a job asked for. */
  log(entry: { destination: string; allowed: boolean; reason?: string }): void;
}

/** The job's way out (ADR 0003): an HTTP forward proxy with CONNECT. */
export interface EgressProxy {
  readonly server: Server;
  /** From now on these rules apply to new connections; without rules there are none. */
  use(rules: EgressRules | undefined): void;
}

/** A connection to a destination, and how long its name and its connection took. */
export interface Opened {
  readonly socket: Socket;
  readonly dnsMs: number;
  readonly connectMs: number;
}

/** Closes every connection when the attempt ends. */
export function createEgressProxy(deps: ProxyDeps): EgressProxy {
  let rules: EgressRules | undefined;
  const open = (destination: Destination | undefined) => openDestination(destination, rules, deps);
  const server = createServer(async (message, response) => {
    const ended = deps.ended();
    await forward({ message, response, open, ended }).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else void send(response, problemAnswer(asRefusal(error)));
    });
  });
  server.on('connect', (message: IncomingMessage, socket: Socket, head: Buffer) => {
    void tunnel({ message, socket, head, ended: deps.ended() }, open);
  });
  refuseUnreadable(server, notUnderstood());
  server.maxConnections = MAX_CONNECTIONS;
  return {
    server,
    use(next) {
      rules = next;
    },
  };
}

/** Checks a destination, says so in the log, and connects to it. @throws RefusedError, or the connection's error */
async function openDestination(
  destination: Destination | undefined,
  rules: EgressRules | undefined,
  deps: ProxyDeps,
): Promise<Opened> {
  if (rules === undefined) throw forbidden('No attempt with egress is bound to this sidecar.');
  if (destination === undefined) throw notUnderstood();
  const name = `${destination.host}:${destination.port}`;
  const beganAt = performance.now();
  const addresses = await rules.addressesFor(destination).catch((error: unknown) => {
    if (!(error instanceof EgressRefusedError)) throw error;
    deps.log({ destination: name, allowed: false, reason: error.message });
    const isDenied = error.code === 'EGRESS_DENIED';
    const options = { status: isDenied ? 403 : 502, detail: error.message, cause: error };
    throw new RefusedError(isDenied ? 'egress-refused' : 'egress-failed', options);
  });
  deps.log({ destination: name, allowed: true });
  const resolvedAt = performance.now();
  const socket = await connectToAny(addresses, destination.port, deps.ended());
  return { socket, dnsMs: resolvedAt - beganAt, connectMs: performance.now() - resolvedAt };
}

function notUnderstood(): RefusedError {
  const detail = 'The proxy takes CONNECT host:port, or an absolute http URL without a user in it.';
  return new RefusedError('bad-request', { status: 400, detail });
}

function asRefusal(error: unknown): RefusedError {
  if (error instanceof RefusedError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const detail = `The destination could not be reached: ${reason}`;
  return new RefusedError('egress-failed', { status: 502, detail, cause: error });
}

async function connectToAny(addresses: readonly string[], port: number, ended: AbortSignal): Promise<Socket> {
  const failures: string[] = [];
  for (const host of addresses.slice(0, MOST_TRIED_ADDRESSES)) {
    ended.throwIfAborted();
    try {
      return await connectTo(host, port);
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(failures.join('; '));
}

function connectTo(host: string, port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port, keepAlive: true, noDelay: true });
  const late = () => socket.destroy(new Error(`${host}:${port} did not answer in ${CONNECT_TIMEOUT_MS} ms`));
  const timer = setTimeout(late, CONNECT_TIMEOUT_MS);
  socket.once('connect', () => {
    clearTimeout(timer);
    socket.off('error', reject);
    resolve(socket);
  });
  socket.once('error', (error) => {
    clearTimeout(timer);
    reject(error);
  });
  return promise;
}

interface TunnelRequest {
  readonly message: IncomingMessage;
  readonly socket: Socket;
  /** What the client sent before it had an answer. */
  readonly head: Buffer;
  readonly ended: AbortSignal;
}

async function tunnel(
  { message, socket, head, ended }: TunnelRequest,
  open: (destination: Destination | undefined) => Promise<Opened>,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const { socket: upstream, dnsMs, connectMs } = await open(parseDestination(message.url ?? ''));
    // What the job can't measure itself (https://www.w3.org/TR/server-timing/).
    const timing = `dns;dur=${dnsMs.toFixed(1)}, connect;dur=${connectMs.toFixed(1)}`;
    socket.write(`HTTP/1.1 200 Connection Established\r\nServer-Timing: ${timing}\r\n\r\n`);
    upstream.write(head);
    join(socket, upstream, ended);
  } catch (error) {
    socket.end(rawRefusal(asRefusal(error)));
  }
}

/** Passes bytes both ways until both sides have ended, one breaks, nothing moves for long, or the attempt ends. */
function join(client: Socket, upstream: Socket, ended: AbortSignal): void {
  const close = () => {
    client.destroy();
    upstream.destroy();
    ended.removeEventListener('abort', close);
  };
  ended.addEventListener('abort', close, { once: true });
  for (const socket of [client, upstream]) {
    socket.setTimeout(IDLE_TIMEOUT_MS, close);
    socket.once('error', close);
    socket.once('close', close);
  }
  client.pipe(upstream);
  upstream.pipe(client);
  if (ended.aborted || client.destroyed) close();
}
