import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { PROBLEM_TYPE } from '@cronium/contracts';
import type { BindingHolder } from './binding.ts';
import { allowedAddress, type Destination, EgressRefusedError, parseDestination } from './egress.ts';
import { problemResponse, RefusedError } from './problems.ts';

const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 120_000;
const MAX_CONNECTIONS = 256;
/** Headers that belong to one connection and are not passed on (RFC 9110 section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export interface ProxyDeps {
  readonly binding: BindingHolder;
  /** Called for each destination that a job asked for. */
  log(entry: { destination: string; allowed: boolean; reason?: string }): void;
}

/**
 * The job's way out (ADR 0003): an HTTP forward proxy with CONNECT. It serves the bound attempt's egress policy and
 * closes every connection when the attempt ends.
 */
export function createEgressProxy(deps: ProxyDeps): Server {
  const server = createServer((message, response) => void forward(deps, message, response));
  server.on('connect', (message: IncomingMessage, socket: Socket, head: Buffer) => {
    void tunnel(deps, { message, socket, head });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.headersTimeout = CONNECT_TIMEOUT_MS;
  return server;
}

/** Checks a destination and says so in the log. @throws RefusedError */
async function admit(deps: ProxyDeps, destination: Destination | undefined): Promise<string> {
  const policy = deps.binding.current?.egress;
  if (destination === undefined || policy === undefined) {
    throw new RefusedError('bad-request', {
      status: 400,
      detail: 'The proxy takes CONNECT host:port, or an absolute http URL.',
    });
  }
  const name = `${destination.host}:${destination.port}`;
  try {
    const address = await allowedAddress(destination, policy);
    deps.log({ destination: name, allowed: true });
    return address;
  } catch (error) {
    if (!(error instanceof EgressRefusedError)) throw error;
    deps.log({ destination: name, allowed: false, reason: error.message });
    const status = error.code === 'EGRESS_DENIED' ? 403 : 502;
    throw new RefusedError('egress', { status, detail: error.message, cause: error });
  }
}

function asRefusal(error: unknown): RefusedError {
  if (error instanceof RefusedError) return error;
  const detail = `The destination could not be reached: ${error instanceof Error ? error.message : String(error)}`;
  return new RefusedError('egress', { status: 502, detail, cause: error });
}

async function tunnel(
  deps: ProxyDeps,
  { message, socket, head }: { message: IncomingMessage; socket: Socket; head: Buffer },
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const destination = parseDestination(message.url ?? '');
    const address = await admit(deps, destination);
    const upstream = await opened(address, destination?.port ?? 0);
    socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
    if (head.length > 0) upstream.write(head);
    join(socket, upstream, deps.binding.ended);
  } catch (error) {
    socket.end(await rawResponse(problemResponse(asRefusal(error))));
  }
}

function opened(host: string, port: number): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host, port });
  const timer = setTimeout(() => socket.destroy(new Error('no answer in 10 s')), CONNECT_TIMEOUT_MS);
  socket.once('connect', () => {
    clearTimeout(timer);
    resolve(socket);
  });
  socket.once('error', (error) => {
    clearTimeout(timer);
    reject(error);
  });
  return promise;
}

function join(a: Socket, b: Socket, ended: AbortSignal): void {
  const close = () => {
    a.destroy();
    b.destroy();
  };
  ended.addEventListener('abort', close, { once: true });
  for (const socket of [a, b]) socket.setTimeout(IDLE_TIMEOUT_MS, close);
  const done = () => {
    ended.removeEventListener('abort', close);
    close();
  };
  pipeline(a, b, (error) => error && done());
  pipeline(b, a, (error) => error && done());
  a.once('close', done);
  b.once('close', done);
}

async function rawResponse(response: Response): Promise<string> {
  const body = await response.text();
  return `HTTP/1.1 ${response.status} Refused\r\ncontent-type: ${PROBLEM_TYPE}\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
}

async function forward(deps: ProxyDeps, message: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const url = absoluteUrl(message.url);
    const destination = url && parseDestination(url.host, 80);
    const host = await admit(deps, destination);
    await passOn({ message, response, host, port: destination?.port ?? 80, url, ended: deps.binding.ended });
  } catch (error) {
    await refuse(response, asRefusal(error));
  }
}

function absoluteUrl(text: string | undefined): URL | undefined {
  const url = text?.startsWith('http://') && URL.canParse(text) ? new URL(text) : undefined;
  return url?.username === '' && url.password === '' ? url : undefined;
}

function passOn(options: {
  message: IncomingMessage;
  response: ServerResponse;
  host: string;
  port: number;
  url: URL | undefined;
  ended: AbortSignal;
}): Promise<void> {
  const { message, response, host, port, url, ended } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const headers = Object.fromEntries(
    Object.entries(message.headers).filter(([name]) => !HOP_BY_HOP.has(name)),
  );
  const path = `${url?.pathname ?? '/'}${url?.search ?? ''}`;
  const upstream = request({
    host,
    port,
    path,
    ...(message.method !== undefined && { method: message.method }),
    headers: { ...headers, host: url?.host ?? '' },
    signal: ended,
    timeout: IDLE_TIMEOUT_MS,
    agent: false,
  });
  upstream.once('timeout', () => upstream.destroy(new Error('no answer in 120 s')));
  upstream.once('error', reject);
  upstream.once('response', (answer) => {
    const passed = Object.entries(answer.headers).filter(([name]) => !HOP_BY_HOP.has(name));
    response.writeHead(answer.statusCode ?? 502, Object.fromEntries(passed));
    pipeline(answer, response, () => resolve());
  });
  pipeline(message, upstream, (error) => error && reject(error));
  return promise;
}

async function refuse(response: ServerResponse, error: RefusedError): Promise<void> {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const problem = problemResponse(error);
  response.writeHead(problem.status, { 'content-type': PROBLEM_TYPE, connection: 'close' });
  response.end(await problem.text());
}
