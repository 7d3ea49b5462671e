import { z } from 'zod';
import { EGRESS_PORT, RUNTIME_PORT } from './names.ts';

const NAME = /^[a-z](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;

/** The name of a shared service: the host name under which jobs reach it. */
export const serviceName = z.string().max(63, 'must be at most 63 characters long').regex(NAME, {
  error:
    'must be a host name such as reporting-db: lower-case letters, digits, "-" and ".", beginning with a letter',
});

const port = z.int().min(1).max(65_535);

/** What a node tells of a service that it offers: how jobs reach it, and not where it is. */
export const serviceView = z.object({ name: z.string(), ports: z.array(port) });
export type ServiceView = z.infer<typeof serviceView>;

/** A port of a service as jobs see it, and where its connections go. */
export interface ServicePort {
  readonly port: number;
  readonly target: { readonly host: string; readonly port: number };
}

/** A shared service that the operator of a node offers to jobs. */
export interface OfferedService {
  readonly name: string;
  readonly ports: readonly ServicePort[];
}

/** A service and the address in each job's network that stands for it: 0 is the sidecar's own, others come after it. */
export interface PlacedService extends OfferedService {
  readonly place: number;
}

/** One way for a bound attempt: who connects to `port` at `address` is connected to the target. */
export const serviceRoute = z.strictObject({
  name: z.string(),
  /** Of the sidecar, on the job's network. */
  address: z.ipv4(),
  port,
  targetHost: z.string(),
  targetPort: port,
});
export type ServiceRoute = z.infer<typeof serviceRoute>;

/** What the sidecar itself listens on at its first address. */
const TAKEN: ReadonlySet<number> = new Set([RUNTIME_PORT, EGRESS_PORT]);

/**
 * Gives each service the first address at which all its ports are free, so that two databases on one port stand side by
 * side. Services keep their order.
 */
export function placeServices(services: readonly OfferedService[]): readonly PlacedService[] {
  const taken: Set<number>[] = [new Set(TAKEN)];
  return services.map((service) => {
    const isFree = (ports: Set<number>) => service.ports.every(({ port }) => !ports.has(port));
    const found = taken.findIndex(isFree);
    const place = found < 0 ? taken.push(new Set()) - 1 : found;
    for (const { port } of service.ports) taken[place]?.add(port);
    return { ...service, place };
  });
}

/** The lowest place in a job's subnet that has no address: network, gateway, sidecar, job and broadcast have the others. */
export function placesIn(subnetBits: number): number {
  return 1 + 2 ** (32 - subnetBits) - 5;
}
