import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type EgressPolicy, isPublic, plainAddress, ranges } from '@cronium/contracts';
import { waitFor } from '@cronium/lifecycle';

const RESOLVE_TIMEOUT_MS = 10_000;

/** Where a job wants to go. */
export interface Destination {
  readonly host: string;
  readonly port: number;
}

/** Thrown when a destination is not allowed or has no address; the message is for the job's author. */
export class EgressRefusedError extends Error {
  override readonly name = 'EgressRefusedError';
  readonly code: 'EGRESS_DENIED' | 'EGRESS_UNRESOLVED';

  constructor(code: EgressRefusedError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Reads `host:port`, also `[::1]:443`; the port defaults. `undefined` when it is neither. */
export function parseDestination(text: string, defaultPort?: number): Destination | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (!match || port === undefined || port < 1 || port > 65_535) return undefined;
  const host = (match[1] ?? match[2] ?? '').replace(/\.$/, '').toLowerCase();
  return host === '' ? undefined : { host, port };
}

/** Does `api.example.com:443` or `*.example.com:443` cover the destination? */
function covers(rule: string, { host, port }: Destination): boolean {
  const wild = rule.startsWith('*.');
  const allowed = parseDestination(wild ? rule.slice(2) : rule);
  if (allowed === undefined || allowed.port !== port) return false;
  return wild ? host.endsWith(`.${allowed.host}`) : host === allowed.host;
}

/** Gives the addresses of a name. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** A job's egress policy, read once. */
export interface EgressRules {
  /**
   * The addresses to connect to for a destination, best first: allowed by the job's policy, resolved here, and public
   * unless the operator opened them. The caller connects to one of these, so a name that changes its answer gains nothing.
   * @throws EgressRefusedError
   */
  addressesFor(destination: Destination): Promise<readonly string[]>;
}

export interface CompileOptions {
  /** URLs of the fleet's own services: open only to a rule of the operator that names host and port. */
  readonly fleet: readonly string[];
  readonly resolve?: Resolve;
}

/**
 * Reads a policy.
 * @throws RangeError when an address range of it is not one
 */
export function compileEgress(
  policy: EgressPolicy,
  { fleet, resolve = resolveName }: CompileOptions,
): EgressRules {
  const openRanges = ranges(policy.allowPrivate.filter((rule) => rule.includes('/')));
  const openNames = policy.allowPrivate.filter((rule) => !rule.includes('/'));
  const services = fleet.map(serviceOf);
  const inOpenRange = (address: string) => openRanges.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');

  const isFleet = async (address: string, port: number): Promise<boolean> => {
    for (const service of services.filter((candidate) => candidate.port === port)) {
      const own = await addressesOf(service.host, resolve).catch(() => undefined);
      // While its name does not resolve, it may be any address of this network.
      if (own === undefined ? !isPublic(address) : own.map(plainAddress).includes(address)) return true;
    }
    return false;
  };

  return {
    async addressesFor(destination) {
      const { host, port } = destination;
      const named = `${host}:${port}`;
      const listed = policy.mode === 'internet' || policy.allow.some((rule) => covers(rule, destination));
      if (policy.mode === 'none' || !listed) {
        throw denied(`${named} is not in the job's "egress"; add it there.`);
      }
      const addresses = (await addressesOf(host, resolve)).map(plainAddress);
      if (openNames.some((rule) => covers(rule, destination))) return addresses;
      const usable = addresses.filter((address) => isPublic(address) || inOpenRange(address));
      const [first] = usable;
      if (first === undefined) {
        throw denied(
          `${named} is ${addresses.join(', ')}, which is not a public address. An operator can open it with CRONIUM_EGRESS_ALLOW_PRIVATE.`,
        );
      }
      for (const address of usable) {
        if (await isFleet(address, port)) throw denied(`${named} is a service of the fleet itself.`);
      }
      return usable;
    },
  };
}

const denied = (message: string): EgressRefusedError => new EgressRefusedError('EGRESS_DENIED', message);

function serviceOf(url: string): Destination {
  const { protocol, hostname, port } = new URL(url);
  const usual = { 'http:': 80, 'https:': 443 }[protocol] ?? 6379;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || usual) };
}

/** @throws EgressRefusedError */
async function addressesOf(host: string, resolve: Resolve): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const limit = AbortSignal.timeout(RESOLVE_TIMEOUT_MS);
  const addresses = await waitFor(resolve(host), limit).catch((cause: unknown) => {
    throw new EgressRefusedError('EGRESS_UNRESOLVED', `${host} could not be resolved.`, { cause });
  });
  // A scoped address (fe80::1%eth0) is never one to connect to.
  const plain = addresses.filter((address) => isIP(address) !== 0 && !address.includes('%'));
  if (plain.length === 0) throw new EgressRefusedError('EGRESS_UNRESOLVED', `${host} has no address.`);
  return plain;
}

async function resolveName(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
