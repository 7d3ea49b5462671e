import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { EgressPolicy } from '@cronium/contracts';
import { isPublic, plainAddress, ranges } from './addresses.ts';

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

/**
 * The address to connect to for a destination: allowed by the job's policy, resolved here, and public unless the operator
 * opened it. The caller connects to this very address, so a name that changes its answer gains nothing.
 * @param resolve gives the addresses of a name
 * @throws EgressRefusedError
 */
export async function allowedAddress(
  destination: Destination,
  policy: EgressPolicy,
  resolve: (host: string) => Promise<readonly string[]> = resolveName,
): Promise<string> {
  const { host, port } = destination;
  const listed = policy.mode === 'internet' || policy.allow.some((rule) => covers(rule, destination));
  if (policy.mode === 'none' || !listed) {
    throw new EgressRefusedError(
      'EGRESS_DENIED',
      `${host}:${port} is not in the job's "egress"; add it there.`,
    );
  }
  const addresses = isIP(host) === 0 ? await resolved(host, resolve) : [host];
  const opened = policy.allowPrivate.some((rule) => !rule.includes('/') && covers(rule, destination));
  const openRanges = ranges(policy.allowPrivate.filter((rule) => rule.includes('/')));
  const usable = addresses.find((address) => {
    const plain = plainAddress(address);
    return opened || isPublic(plain) || openRanges.check(plain, isIP(plain) === 4 ? 'ipv4' : 'ipv6');
  });
  if (usable === undefined) {
    throw new EgressRefusedError(
      'EGRESS_DENIED',
      `${host}:${port} is ${addresses.join(', ')}, which is not a public address. An operator can open it with CRONIUM_EGRESS_ALLOW_PRIVATE.`,
    );
  }
  return usable;
}

async function resolved(
  host: string,
  resolve: (host: string) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const addresses = await resolve(host).catch((error: unknown) => {
    throw new EgressRefusedError('EGRESS_UNRESOLVED', `${host} could not be resolved.`, { cause: error });
  });
  if (addresses.length === 0) throw new EgressRefusedError('EGRESS_UNRESOLVED', `${host} has no address.`);
  return addresses;
}

async function resolveName(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
