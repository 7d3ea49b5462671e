import { connect, createServer, type Server, type Socket } from 'node:net';
import type { ServiceRoute } from '@cronium/contracts';

/** Of one job, over all services. */
const MAX_CONNECTIONS = 128;
const CONNECT_TIMEOUT_MS = 10_000;
/** The first probe of a connection on which nothing moves; the kernel's interval follows. */
const KEEP_ALIVE_MS = 60_000;
/** How long one address of a name is waited for while there are others. */
const ADDRESS_TIMEOUT_MS = 2000;

const ALIVE = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };

/** What became of a connection to a service. */
export interface ServiceEvent {
  readonly service: string;
  readonly result: 'opened' | 'failed' | 'refused';
  /** For the operator: it may tell where the service is. */
  readonly reason?: string;
}

export interface ServiceGateOptions {
  /** Told what became of each connection that the job opens. */
  onEvent(event: ServiceEvent): void;
  /** A port stopped listening by itself. */
  onError(error: Error): void;
  readonly limits?: { readonly connections?: number; readonly connectMs?: number };
}

/**
 * The ways of one attempt to the shared services that its job names: a port for each, on the job's network alone.
 * Connections are passed on as they are, both ways, at the pace of the slower side; an end is passed on as an end and a
 * break as a break. A connection on which nothing moves stays: a query may take hours. Peers that are gone are found by
 * TCP's own probes.
 */
export class ServiceGate {
  readonly #options: ServiceGateOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #maxConnections: number;
  readonly #connectMs: number;
  #connections = 0;

  constructor(options: ServiceGateOptions) {
    this.#options = options;
    this.#maxConnections = options.limits?.connections ?? MAX_CONNECTIONS;
    this.#connectMs = options.limits?.connectMs ?? CONNECT_TIMEOUT_MS;
  }

  /** Opens the ports; all of them or none. @throws Error that names the service and its address */
  async open(routes: readonly ServiceRoute[]): Promise<void> {
    try {
      await Promise.all(routes.map((route) => this.#listen(route)));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Closes the ports and breaks the connections. */
  async close(): Promise<void> {
    const closed = this.#servers.splice(0).map((server) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      return promise;
    });
    for (const socket of this.#sockets) cut(socket);
    await Promise.all(closed);
  }

  async #listen(route: ServiceRoute): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const server = createServer(ALIVE, (socket) => this.#take(socket, route));
    this.#servers.push(server);
    server.once('error', reject);
    server.listen({ host: route.address, port: route.port }, resolve);
    try {
      await promise;
    } catch (cause) {
      const where = `${route.address}:${route.port}`;
      throw new Error(`the service ${route.name} cannot be offered at ${where}: ${wordsOf(cause)}`, {
        cause,
      });
    }
    server.off('error', reject);
    server.on('error', (error) => this.#options.onError(error));
  }

  #take(client: Socket, route: ServiceRoute): void {
    const service = route.name;
    this.#keep(client);
    if (this.#connections >= this.#maxConnections) {
      const reason = `the job has ${this.#maxConnections} connections open, which is the most`;
      this.#options.onEvent({ service, result: 'refused', reason });
      client.resetAndDestroy();
      return;
    }
    this.#connections += 1;
    client.once('close', () => {
      this.#connections -= 1;
    });
    const upstream = this.#connect(route);
    join(client, upstream);
  }

  #connect({ name: service, targetHost: host, targetPort: port }: ServiceRoute): Socket {
    const upstream = connect({ ...ALIVE, host, port, autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS });
    this.#keep(upstream);
    let isOpen = false;
    const late = () => upstream.destroy(new Error(`no answer in ${this.#connectMs} ms`));
    const timer = setTimeout(late, this.#connectMs);
    upstream.once('connect', () => {
      isOpen = true;
      clearTimeout(timer);
      this.#options.onEvent({ service, result: 'opened' });
    });
    upstream.once('error', (error) => {
      if (isOpen) return;
      const reason = `${host}:${port} cannot be reached: ${wordsOf(error)}`;
      this.#options.onEvent({ service, result: 'failed', reason });
    });
    upstream.once('close', () => clearTimeout(timer));
    return upstream;
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // What it breaks of is the other side's to know, which `join` sees to.
    socket.on('error', () => undefined);
  }
}

/** Passes bytes both ways. */
function join(client: Socket, upstream: Socket): void {
  client.pipe(upstream);
  upstream.pipe(client);
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    one.once('error', () => cut(other));
    one.once('close', () => other.destroySoon());
  }
}

/** The other side is told at once, if there is one. */
function cut(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/** An attempt on several addresses fails with an error for each, and a message for none. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(wordsOf))].join('; ');
  return error instanceof Error ? error.message : String(error);
}
