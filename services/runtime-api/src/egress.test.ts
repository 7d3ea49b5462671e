import { type EgressPolicy, isPublic } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { compileEgress, parseDestination } from './egress.ts';

const policy = (overrides: Partial<EgressPolicy>): EgressPolicy => ({
  mode: 'internet',
  allow: [],
  allowPrivate: [],
  ...overrides,
});
const names: Record<string, string[]> = {
  'public.test': ['93.184.216.34'],
  'inner.test': ['10.0.0.5'],
  'rebound.test': ['127.0.0.1'],
  'mixed.test': ['10.0.0.5', '93.184.216.34'],
  'empty.test': [],
};
const FLEET = ['redis://valkey:6379', 'http://results.test:7071'];
const resolve = async (host: string): Promise<string[]> => {
  const addresses = names[host];
  if (addresses === undefined) throw new Error('ENOTFOUND');
  return addresses;
};
const ask = (host: string, port: number, overrides: Partial<EgressPolicy> = {}) =>
  compileEgress(policy(overrides), { fleet: FLEET, resolve }).addressesFor({ host, port });

test.each(['93.184.216.34', '8.8.8.8', '::ffff:8.8.8.8', '2606:2800:220:1:248:1893:25c8:1946'])(
  'public: %s',
  (address) => expect(isPublic(address)).toBe(true),
);

test.each([
  '127.0.0.1',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254',
  '100.64.0.1',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '::1',
  '::',
  '::ffff:10.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '0:0:0:0:0:FFFF:A9FE:A9FE',
  '::7f00:1',
  'fe80::1%eth0',
  'fe80::1',
  'fd00:ec2::254',
  'ff02::1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '2001:db8::1',
  'nonsense',
])('not public: %s', (address) => expect(isPublic(address)).toBe(false));

test('the internet is open for a job that asks for it, and closed for one that does not', async () => {
  await expect(ask('public.test', 443)).resolves.toEqual(['93.184.216.34']);
  await expect(ask('public.test', 443, { mode: 'none' })).rejects.toMatchObject({ code: 'EGRESS_DENIED' });
});

test.each(['inner.test', 'rebound.test', '10.0.0.5', '169.254.169.254', '::1', '0.0.0.0'])(
  'refused after resolution, with the reason: %s',
  async (host) => {
    await expect(ask(host, 80)).rejects.toThrow(/not a public address.*CRONIUM_EGRESS_ALLOW_PRIVATE/);
  },
);

test('of several addresses only a public one is used', async () => {
  await expect(ask('mixed.test', 80)).resolves.toEqual(['93.184.216.34']);
});

test('a name that is not known, or has no address, is told apart from a refusal', async () => {
  await expect(ask('unknown.test', 80)).rejects.toMatchObject({ code: 'EGRESS_UNRESOLVED' });
  await expect(ask('empty.test', 80)).rejects.toMatchObject({ code: 'EGRESS_UNRESOLVED' });
});

test('a list opens exactly its hosts and ports', async () => {
  const listed = { mode: 'allow', allow: ['public.test:443', '*.sub.test:80'] } as const;
  names['a.sub.test'] = ['93.184.216.34'];
  names['sub.test'] = ['93.184.216.34'];
  const given = { mode: listed.mode, allow: [...listed.allow] };
  await expect(ask('public.test', 443, given)).resolves.toBeDefined();
  await expect(ask('a.sub.test', 80, given)).resolves.toBeDefined();
  await expect(ask('public.test', 80, given)).rejects.toThrow(/not in the job's "egress"/);
  await expect(ask('sub.test', 80, given)).rejects.toThrow(/not in the job's "egress"/);
  await expect(ask('evil-public.test', 443, given)).rejects.toThrow(/not in the job's "egress"/);
});

test('an operator opens a private range, or one host and port', async () => {
  await expect(ask('inner.test', 80, { allowPrivate: ['10.0.0.0/24'] })).resolves.toEqual(['10.0.0.5']);
  await expect(ask('inner.test', 80, { allowPrivate: ['inner.test:80'] })).resolves.toEqual(['10.0.0.5']);
  await expect(ask('inner.test', 81, { allowPrivate: ['inner.test:80'] })).rejects.toThrow(
    /not a public address/,
  );
  await expect(ask('10.0.0.5', 80, { allowPrivate: ['10.0.1.0/24'] })).rejects.toThrow(
    /not a public address/,
  );
});

test.each([
  ['10.0.0.9', 'as it is'],
  ['::ffff:10.0.0.9', 'as IPv6'],
  ['::ffff:a00:9', 'as IPv6, in hexadecimal'],
  ['0:0:0:0:0:FFFF:0A00:0009', 'as IPv6, at length'],
])('a service of the fleet is not reached in a range that the operator opened: %s, %s', async (host) => {
  names['results.test'] = ['10.0.0.9'];
  const opened = { allowPrivate: ['10.0.0.0/8'] };
  await expect(ask(host, 7071, opened)).rejects.toThrow(/a service of the fleet itself/);
  await expect(ask(host, 7072, opened)).resolves.toEqual(['10.0.0.9']);
});

test('while the name of a service does not resolve, nothing private is reached at its port', async () => {
  const opened = { allowPrivate: ['10.0.0.0/8'] };
  await expect(ask('10.0.0.7', 6379, opened)).rejects.toThrow(/a service of the fleet itself/);
  await expect(ask('public.test', 6379, opened)).resolves.toEqual(['93.184.216.34']);
});

test.each([
  ['example.com:443', { host: 'example.com', port: 443 }],
  ['EXAMPLE.com.:443', { host: 'example.com', port: 443 }],
  ['[::1]:80', { host: '::1', port: 80 }],
  ['example.com', undefined],
  ['example.com:0', undefined],
  ['example.com:70000', undefined],
  ['a b:80', undefined],
  [':80', undefined],
  ['', undefined],
])('a destination is read: %j', (text, expected) => expect(parseDestination(text)).toEqual(expected));
