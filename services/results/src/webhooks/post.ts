import { Resolver } from 'node:dns/promises';
import { type IncomingMessage, request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { type BlockList, isIP, type LookupFunction } from 'node:net';
import { isPublic, plainAddress } from '@cronium/contracts';
import { waitFor } from '@cronium/lifecycle';

/** Thrown when a host is not on the public internet, and the operator did not open its address. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';
  readonly code = 'ADDRESS_REFUSED';
}

/** Gives the addresses of a name. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** A request to a webhook. */
export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Where {@link post} may go. */
export interface PostOptions {
  /** Private addresses that are open all the same. */
  readonly open: BlockList;
  readonly resolve?: Resolve;
  readonly signal: AbortSignal;
}

/** Answers are not read; so much of one is taken off the connection that a server is not cut off in the middle of it. */
const ANSWER_BYTES = 16_384;

/**
 * Sends one request, to an address that was checked after the name was resolved: a name that changes its answer gains
 * nothing. Redirects are not followed.
 * @returns the status of the answer
 * @throws AddressRefusedError, or what the connection broke with, or the signal's reason
 */
export async function post(
  { url, headers, body }: Post,
  { open, resolve = resolveName, signal }: PostOptions,
): Promise<number> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const found = isIP(host) === 0 ? await waitFor(resolve(host), signal) : [host];
  const addresses = allowed(host, found.map(plainAddress), open);
  const send = url.protocol === 'https:' ? overHttps : overHttp;
  const { promise, resolve: answered, reject } = Promise.withResolvers<number>();
  const request = send(url, {
    method: 'POST',
    agent: false,
    headers: { ...headers, 'Content-Length': Buffer.byteLength(body) },
    lookup: fixed(addresses),
    signal,
  });
  let status: number | undefined;
  // Once there is a status it counts, whatever the connection breaks with afterwards.
  const settle = (error: unknown) => (status === undefined ? reject(error) : answered(status));
  request.on('error', (error) => settle(signal.aborted ? signal.reason : error));
  request.on('close', () => settle(new Error('the connection was closed without an answer')));
  request.on('response', (response) => {
    status = response.statusCode ?? 0;
    drain(response);
  });
  request.end(body);
  return await promise;
}

function drain(response: IncomingMessage): void {
  let bytes = 0;
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES) response.destroy();
  });
  // What breaks it off ends the request too.
  response.on('error', () => response.destroy());
}

function allowed(host: string, addresses: readonly string[], open: BlockList): readonly string[] {
  const usable = addresses.filter(
    (address) => isPublic(address) || open.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6'),
  );
  if (usable.length > 0) return usable;
  throw new AddressRefusedError(
    `${host} is ${addresses.join(', ')}, which is not a public address. An operator can open it with CRONIUM_WEBHOOK_ALLOW_PRIVATE.`,
  );
}

/** A lookup that gives what was checked. */
function fixed(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: isIP(address) }));
  return (host, options, done) => {
    const [first] = all;
    if (first === undefined) done(new Error(`${host} has no address`), '');
    else if (options.all) done(null, all);
    else done(null, first.address, first.family);
  };
}

/**
 * Asks the name servers itself: the system's own lookup has few threads, and a name whose server hangs would hold up
 * the names of all others.
 */
async function resolveName(host: string): Promise<readonly string[]> {
  if (host === 'localhost') return ['127.0.0.1', '::1'];
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (addresses.length === 0) throw new Error(`${host} could not be resolved`);
  return addresses;
}
