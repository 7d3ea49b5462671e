import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { NodeKey } from '@cronium/contracts';
import { z } from 'zod';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What must not show in a job's log: its secrets' values, also without white space around them, as `$(…)` leaves them. */
export function maskedValues(secrets: Readonly<Record<string, string>>): string[] {
  const values = Object.values(secrets).flatMap((value) => [value, value.trim()]);
  return [...new Set(values)].filter((value) => value !== '');
}

/** The key with which a node keeps values in its journal: without the node's own key a copy of it says nothing. */
export function maskKeyOf({ privateJwk }: NodeKey): Buffer {
  const secret = Buffer.from(String(privateJwk.d), 'base64url');
  return Buffer.from(hkdfSync('sha256', secret, '', 'cronium: values masked in logs', 32));
}

/** Values as they stand in the journal. */
export function sealValues(values: readonly string[], key: Buffer): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const body = [cipher.update(JSON.stringify(values), 'utf8'), cipher.final()];
  return Buffer.concat([nonce, ...body, cipher.getAuthTag()]).toString('base64');
}

/**
 * What was sealed, or nothing of nothing.
 * @throws Error when it was sealed with another key: a log can't be read then without showing what is secret
 */
export function openValues(sealed: string | undefined, key: Buffer): Buffer[] {
  if (sealed === undefined) return [];
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const body = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
  const values = z.array(z.string()).parse(JSON.parse(Buffer.concat(body).toString()));
  return values.map((value) => Buffer.from(value));
}
