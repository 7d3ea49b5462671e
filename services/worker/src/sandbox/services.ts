import type { JobSpec, PlacedService, ServiceRoute } from '@cronium/contracts';
import { formatAddress, parseAddress } from './cidr.ts';
import { SandboxError } from './runtime.ts';
import type { Subnet } from './subnets.ts';

/** What a slot's addresses for services follow from. */
type Addresses = Pick<Subnet, 'sidecarAddress' | 'jobAddress'>;

/** The first place is the sidecar's own address; the others come after the job's. */
function addressOf({ place }: PlacedService, { sidecarAddress, jobAddress }: Addresses): string {
  return place === 0 ? sidecarAddress : formatAddress(parseAddress(jobAddress) + place);
}

/** The entries of a job's hosts file; they stand there for every job of the slot, whatever it may reach. */
export function serviceHosts(services: readonly PlacedService[], addresses: Addresses): string[] {
  return services.map((service) => `${service.name}:${addressOf(service, addresses)}`);
}

/** The addresses that the sidecar needs beside its own. */
export function furtherAddresses(services: readonly PlacedService[], addresses: Addresses): string[] {
  const further = services.filter(({ place }) => place > 0);
  return [...new Set(further.map((service) => addressOf(service, addresses)))];
}

/** What the sidecar opens for a job: the ways to the services that its spec names. */
export function serviceRoutes(
  spec: Pick<JobSpec, 'services'>,
  services: readonly PlacedService[],
  addresses: Addresses,
): ServiceRoute[] {
  const named = services.filter(({ name }) => spec.services.includes(name));
  return named.flatMap((service) =>
    service.ports.map(({ port, target }) => ({
      name: service.name,
      address: addressOf(service, addresses),
      port,
      targetHost: target.host,
      targetPort: target.port,
    })),
  );
}

/**
 * Queues keep jobs from nodes that do not offer what they name; this is for those that came here another way.
 * @throws SandboxError `service`
 */
export function requireOffered(
  spec: Pick<JobSpec, 'services'>,
  { node, services }: { readonly node: string; readonly services: readonly PlacedService[] },
): void {
  const offered = new Set(services.map(({ name }) => name));
  const missing = [...new Set(spec.services)].filter((name) => !offered.has(name));
  if (missing.length === 0) return;
  const what = missing.length === 1 ? `the service ${missing[0]}` : `the services ${missing.join(', ')}`;
  throw new SandboxError(
    'service',
    `The job names ${what}, which the node ${node} does not offer; set CRONIUM_SERVICES on the node, or correct the job's "services".`,
  );
}

/** For the trace: the services that the sidecar opens for the job. */
export function openedServices({ services }: Pick<JobSpec, 'services'>): Record<string, string> {
  return services.length === 0 ? {} : { services: services.join(', ') };
}
