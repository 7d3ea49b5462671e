import { isIP } from 'node:net';
import {
  JOB_HOST,
  keysFor,
  type PlacedService,
  placeServices,
  RUNTIME_HOST,
  type ServicePort,
  serviceName,
} from '@cronium/contracts';
import { z } from 'zod';

/** An address range: `10.201.0.0/16`. */
export interface Cidr {
  readonly address: string;
  readonly bits: number;
}

/** A host name or address with a port: `valkey:6379`. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** A key that seals secrets. Its id stands beside all that it sealed, so that keys can be changed one by one. */
export interface SealingKey {
  readonly id: string;
  readonly key: Buffer;
}

/** Any text but an empty one. */
export const text = z.string().min(1, 'it must not be empty');

/** A whole number within bounds (inclusive). */
export function integer({ min, max }: { min: number; max: number }): z.ZodType<number, string> {
  const message = `it must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^[+-]?\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

/** A number within bounds (inclusive), fractions allowed. */
export function decimal({ min, max }: { min: number; max: number }): z.ZodType<number, string> {
  const message = `it must be a number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^[+-]?\d{1,15}(\.\d{1,9})?$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message);
}

/** A TCP port; 0 lets the system choose one. */
export const port = integer({ min: 0, max: 65_535 });

/** A duration in seconds, fractions allowed, at most a year. */
export const seconds = decimal({ min: 0, max: 31_536_000 });

/** A duration in seconds that may not be 0. */
export const positiveSeconds = decimal({ min: 0.001, max: 31_536_000 });

/** A part of a whole, from 0 to 1. */
export const share = decimal({ min: 0, max: 1 });

const BYTE_UNITS = new Map([
  ['', 1],
  ['B', 1],
  ['KIB', 2 ** 10],
  ['MIB', 2 ** 20],
  ['GIB', 2 ** 30],
  ['TIB', 2 ** 40],
]);

/** A number of bytes: `1048576`, `64KiB`, `1.5 GiB`. */
export const bytes: z.ZodType<number, string> = z.string().transform((value, context) => {
  const match = /^(\d{1,15}(?:\.\d{1,6})?) ?([KMGT]?i?B?)$/i.exec(value);
  const unit = BYTE_UNITS.get(match?.[2]?.toUpperCase() ?? '?');
  const count = Math.round(Number(match?.[1]) * (unit ?? Number.NaN));
  if (Number.isSafeInteger(count)) return count;
  context.addIssue('it must be a number of bytes, with or without one of the units B, KiB, MiB, GiB, TiB');
  return z.NEVER;
});

/** `true` or `false`. */
export const flag: z.ZodType<boolean, string> = z
  .enum(['true', 'false'], 'it must be true or false')
  .transform((value) => value === 'true');

/** One of some words. */
export function oneOf<const W extends readonly [string, ...string[]]>(
  words: W,
): z.ZodType<W[number], string> {
  return z
    .string()
    .refine((value): value is W[number] => words.includes(value), `it must be one of ${words.join(', ')}`);
}

/** A URL with one of the protocols (without colon). Kept as text, without a slash at the end. */
export function url(...protocols: readonly string[]): z.ZodType<string, string> {
  return z
    .string()
    .refine(
      (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol.slice(0, -1)),
      `it must be a URL that begins with ${protocols.map((one) => `${one}://`).join(' or ')}`,
    )
    .transform((value) => value.replace(/\/+$/, ''));
}

/** Items with commas between them; spaces around an item and empty items are dropped. */
export function list<T>(item: z.ZodType<T, string>): z.ZodType<readonly T[], string> {
  return z
    .string()
    .transform(splitCommas)
    .pipe(z.array(item))
    .transform((items) => Object.freeze(items));
}

/** `name=value` pairs with commas between them: `a=b,c=d`. A name may stand once. */
export const pairs: z.ZodType<Readonly<Record<string, string>>, string> = z
  .string()
  .transform((value, context) => {
    const entries = new Map<string, string>();
    for (const [index, item] of splitCommas(value).entries()) {
      const equals = item.indexOf('=');
      const name = item.slice(0, Math.max(equals, 0)).trim();
      // The item itself may be a secret: it is named by its place.
      if (name === '') context.addIssue(`item ${index + 1} must be name=value`);
      else if (entries.has(name)) context.addIssue(`the name ${name} stands twice`);
      else entries.set(name, item.slice(equals + 1).trim());
    }
    return Object.freeze(Object.fromEntries(entries));
  });

/** A range of addresses, IPv4 or IPv6, or a single one. */
export const addressRange = text.refine((value) => {
  const [address = '', bits = '0', ...rest] = value.split('/');
  const family = isIP(address);
  return (
    family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)
  );
}, 'it must be an address or a range such as 10.1.0.0/16');

const SEALING_KEY = /^(?:([A-Za-z0-9._-]{1,32}):)?([A-Za-z0-9+/_-]+={0,2})$/;

/** Keys of 32 bytes as `id:base64` with commas between them; a single key may stand without an id and is `k1` then. */
export const sealingKeys: z.ZodType<readonly SealingKey[], string> = z
  .string()
  .transform((value, context) => {
    const keys = new Map<string, SealingKey>();
    for (const [index, item] of splitCommas(value).entries()) {
      const match = SEALING_KEY.exec(item);
      const [id, key] = [match?.[1] ?? 'k1', Buffer.from(match?.[2] ?? '', 'base64')];
      // The item itself is a secret: it is named by its place.
      if (key.length !== 32) context.addIssue(`item ${index + 1} must be id:base64 of exactly 32 bytes`);
      else if (keys.has(id)) context.addIssue(`the key id ${id} stands twice`);
      else keys.set(id, Object.freeze({ id, key }));
    }
    return Object.freeze([...keys.values()]);
  });

/** The name of a node: as a host name, so that it can stand in labels, keys and URLs. */
export const nodeName = z
  .string()
  .regex(
    /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/,
    'it must be 1 to 63 letters, digits, dots, dashes or underscores, with a letter or digit at both ends',
  );

/** An IPv4 range whose host bits are zero: `10.201.0.0/16`. */
export const cidr: z.ZodType<Cidr, string> = z.string().transform((value, context) => {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(value);
  const [address, bits] = [match?.[1] ?? '', Number(match?.[2] ?? 99)];
  if (isIP(address) !== 4 || bits > 32) {
    context.addIssue('it must be an IPv4 range such as 10.201.0.0/16');
    return z.NEVER;
  }
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  if (number % 2 ** (32 - bits) !== 0) {
    context.addIssue(`its address must be the first of the range: the last ${32 - bits} bits must be zero`);
    return z.NEVER;
  }
  return Object.freeze({ address, bits });
});

/** The size of a subnet as a prefix length, with or without the slash: `/28`. */
export const prefixLength: z.ZodType<number, string> = z
  .string()
  .transform((value) => value.replace(/^\//, ''))
  .pipe(integer({ min: 8, max: 29 }));

/** `host:port`. */
export const hostPort: z.ZodType<HostPort, string> = z.string().transform((value, context) => {
  const match = /^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):(\d{1,5})$/.exec(value);
  const number = Number(match?.[3]);
  if (match?.[1] !== undefined && number >= 1 && number <= 65_535) {
    return Object.freeze({ host: match[1], port: number });
  }
  context.addIssue('it must be host:port, for example valkey:6379');
  return z.NEVER;
});

const RESERVED_NAMES: ReadonlySet<string> = new Set([RUNTIME_HOST, JOB_HOST, 'localhost']);

/**
 * Shared services for jobs, as `name=host:port` with commas between them; `name:port=host:port` where jobs shall see
 * another port. A name may stand several times, for several ports.
 */
export const sharedServices: z.ZodType<readonly PlacedService[], string> = z
  .string()
  .transform((value, context) => {
    const services = new Map<string, ServicePort[]>();
    for (const [index, item] of splitCommas(value).entries()) {
      const { name, port, problem } = readService(item);
      if (problem !== undefined) context.addIssue(`item ${index + 1} (${item}): ${problem}`);
      else if (services.get(name)?.some((other) => other.port === port.port))
        context.addIssue(`item ${index + 1} (${item}): the name ${name} has the port ${port.port} already`);
      else services.set(name, [...(services.get(name) ?? []), port]);
    }
    return Object.freeze(placeServices([...services].map(([name, ports]) => ({ name, ports }))));
  });

type ReadService =
  | { readonly name: string; readonly port: ServicePort; readonly problem?: undefined }
  | { readonly name?: undefined; readonly port?: undefined; readonly problem: string };

function readService(item: string): ReadService {
  const match = /^([^=:]+)(?::(\d{1,5}))?=(.+)$/.exec(item);
  const name = serviceName.safeParse(match?.[1]?.trim());
  const target = hostPort.safeParse(match?.[3]?.trim());
  if (match === null || !target.success)
    return {
      problem: 'it must be name=host:port or name:port=host:port, such as reporting-db=db.internal:5432',
    };
  if (!name.success)
    return { problem: `the name ${name.error.issues.map(({ message }) => message).join('; ')}` };
  if (RESERVED_NAMES.has(name.data)) return { problem: `the name ${name.data} is kept for the fleet itself` };
  const port = match[2] === undefined ? target.data.port : Number(match[2]);
  if (port < 1 || port > 65_535) return { problem: `${port} is not a port` };
  return { name: name.data, port: { port, target: target.data } };
}

/** The hash tag that all keys in Valkey begin with: `{cronium}`. */
export const keyPrefix = z.string().refine((value) => {
  try {
    keysFor(value);
    return true;
  } catch {
    return false;
  }
}, 'it must be one hash tag of 1 to 64 letters, digits, dots, dashes or underscores, for example {cronium}');

function splitCommas(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
