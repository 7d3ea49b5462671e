import { once } from 'node:events';
import { createServer } from 'node:net';

/** The ports of a local fleet, all above one base. */
export interface FleetPorts {
  readonly producer: number;
  readonly results: number;
  readonly workers: readonly number[];
  /** Where the demo's own web server listens, which http jobs may reach. */
  readonly demo: number;
}

const MAX_WORKERS = 16;
const MAX_BASE = 65_535 - 20;

/** Which port is whose: base, base + 1, base + 2 and on for the workers; base + 19 for the demo's web server. */
export function portsFrom(base: number, workers: number): FleetPorts {
  if (!Number.isInteger(base) || base < 1 || base > MAX_BASE) {
    throw new RangeError(`--port-base must be a whole number from 1 to ${MAX_BASE}${notWhat(base)}.`);
  }
  if (!Number.isInteger(workers) || workers < 1 || workers > MAX_WORKERS) {
    throw new RangeError(`--workers must be a whole number from 1 to ${MAX_WORKERS}${notWhat(workers)}.`);
  }
  return {
    producer: base,
    results: base + 1,
    workers: Array.from({ length: workers }, (_, index) => base + 2 + index),
    demo: base + 19,
  };
}

/** What was written instead of a number is not known here any more. */
function notWhat(value: number): string {
  return Number.isNaN(value) ? '' : `, not ${value}`;
}

/** Thrown when other programs hold ports that the fleet needs. */
export class PortsTakenError extends Error {
  readonly code = 'PORTS_TAKEN';
  readonly ports: readonly number[];

  constructor(ports: readonly number[]) {
    const [noun, verb] = ports.length === 1 ? ['Port', 'is'] : ['Ports', 'are'];
    super(
      `${noun} ${ports.join(', ')} ${verb} taken by another program. Stop it, or use other ports: npm start -- --port-base ${suggested(ports)}`,
    );
    this.name = 'PortsTakenError';
    this.ports = ports;
  }
}

/** A base far from those that are taken. */
function suggested(taken: readonly number[]): number {
  const highest = Math.max(...taken);
  return highest + 1000 < MAX_BASE ? Math.ceil((highest + 500) / 100) * 100 : 7070;
}

/** @throws PortsTakenError that names every port on which somebody listens already */
export async function requireFreePorts(ports: readonly number[]): Promise<void> {
  const free = await Promise.all(ports.map((port) => isFree(port)));
  const taken = ports.filter((_, index) => free[index] === false);
  if (taken.length > 0) throw new PortsTakenError(taken);
}

/** Both the loopback address and all addresses: a listener on either is in the way. */
async function isFree(port: number): Promise<boolean> {
  return (await canListen(port, '127.0.0.1')) && (await canListen(port, '0.0.0.0'));
}

async function canListen(port: number, host: string): Promise<boolean> {
  const server = createServer();
  try {
    const listening = once(server, 'listening');
    server.listen({ port, host, exclusive: true });
    await listening;
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}
