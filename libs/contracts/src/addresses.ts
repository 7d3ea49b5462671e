import { BlockList, isIP } from 'node:net';

/**
 * Addresses that are not the public internet (IANA special-purpose registries, RFC 6890): this host, private, shared,
 * link-local (which holds the clouds' metadata services), benchmarking, documentation, multicast, reserved.
 */
const SPECIAL_V4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];
/** All of IPv6 but global unicast, and of that the translations that hide an IPv4 address. */
const PUBLIC_V6 = ['2000::/3'];
const SPECIAL_V6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

/**
 * A set of ranges such as `10.0.0.0/8`; a single address stands for itself.
 * @throws RangeError on text that is not a range
 */
export function ranges(texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', length] = text.split('/');
    const family = isIP(address);
    if (family === 0) throw new RangeError(`not an address range: ${text}`);
    list.addSubnet(
      address,
      length === undefined ? (family === 4 ? 32 : 128) : Number(length),
      family === 4 ? 'ipv4' : 'ipv6',
    );
  }
  return list;
}

const specialV4 = ranges(SPECIAL_V4);
const specialV6 = ranges(SPECIAL_V6);
const publicV6 = ranges(PUBLIC_V6);

const MAPPED_V4 = /^::ffff:([\da-f]+):([\da-f]+)$/;

/**
 * The one way to write an address, of all that there are: `FD00:0::1` is `fd00::1` (RFC 5952), and an IPv4 address that is
 * written as IPv6 (`::ffff:10.0.0.1`, `::ffff:a00:1`) the IPv4 one.
 */
export function plainAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const written = URL.parse(`http://[${address}]/`)?.hostname.slice(1, -1) ?? address;
  const words = MAPPED_V4.exec(written)
    ?.slice(1)
    .map((word) => Number.parseInt(word, 16));
  return words?.flatMap((word) => [word >> 8, word & 0xff]).join('.') ?? written;
}

/** Is it an address of the public internet? Anything that cannot be read is not. */
export function isPublic(address: string): boolean {
  const plain = plainAddress(address);
  if (isIP(plain) === 4) return !specialV4.check(plain, 'ipv4');
  if (isIP(plain) === 6) return publicV6.check(plain, 'ipv6') && !specialV6.check(plain, 'ipv6');
  return false;
}
