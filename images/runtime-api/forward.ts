/**
 * Forwards TCP connections. On a local fleet a container of this program carries the names `valkey` and `results` on the
 * shared network and passes connections on to the host, where those services run.
 *
 * `FORWARD` lists what to forward: `6379=host:port,7071=host:port`. A line `{"ready":true}` on standard output says that
 * all ports are open. A connection that breaks on one side is broken on the other, and an end is passed on as an end.
 */
import { once } from 'node:events';
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { pathToFileURL } from 'node:url';

/** One listening port and where its connections go. */
export interface Route {
  readonly port: number;
  readonly host: string;
  readonly targetPort: number;
}

/** Reads the `FORWARD` variable. Throws with the part that is wrong. */
export function parseRoutes(text: string): Route[] {
  return text.split(',').map((part) => {
    const match = /^(\d+)=(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d+)$/.exec(part.trim());
    const route = {
      port: Number(match?.[1]),
      host: match?.[2] ?? match?.[3] ?? '',
      targetPort: Number(match?.[4]),
    };
    if (match !== null && isPort(route.targetPort) && (isPort(route.port) || route.port === 0)) return route;
    throw new Error(`FORWARD: "${part}" is not <port>=<host>:<port>.`);
  });
}

function isPort(value: number): boolean {
  return value > 0 && value < 65_536;
}

/** Opens the port of a route, on all addresses. */
export async function openRoute(route: Route): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (from) =>
    forward(from, route),
  );
  server.listen(route.port);
  await once(server, 'listening');
  return server;
}

function forward(from: Socket, route: Route): void {
  const to = connect({
    host: route.host,
    port: route.targetPort,
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
  });
  from.pipe(to);
  to.pipe(from);
  for (const [one, other] of [
    [from, to],
    [to, from],
  ] as const) {
    one.on('error', () => other.resetAndDestroy());
    one.on('close', () => other.destroySoon());
  }
}

async function main(): Promise<void> {
  const routes = parseRoutes(process.env.FORWARD ?? '');
  const servers = await Promise.all(routes.map(openRoute));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
  console.log(JSON.stringify({ ready: true, ports: servers.map((server) => server.address()) }));
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
