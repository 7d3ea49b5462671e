import { type ConfigOf, defineConfig, field, kinds, optionalField, resultsConfig } from '@cronium/config';
import { z } from 'zod';

/** A key that seals secrets: its id stands beside each sealed value, so that keys can be changed one by one. */
export interface SecretsKey {
  readonly id: string;
  readonly key: Buffer;
}

const SECRETS_KEY = /^(?:([A-Za-z0-9._-]{1,32}):)?([A-Za-z0-9+/_-]+={0,2})$/;

const secretsKeys: z.ZodType<readonly SecretsKey[], string> = z.string().transform((text, context) => {
  const keys = new Map<string, SecretsKey>();
  for (const [index, item] of text.split(',').entries()) {
    const match = SECRETS_KEY.exec(item.trim());
    const [id, key] = [match?.[1] ?? 'k1', Buffer.from(match?.[2] ?? '', 'base64')];
    // The item itself is a secret: it is named by its place.
    if (key.length !== 32) context.addIssue(`item ${index + 1} must be id:base64 of exactly 32 bytes`);
    else if (keys.has(id)) context.addIssue(`the key id ${id} stands twice`);
    else keys.set(id, { id, key });
  }
  return Object.freeze([...keys.values()]);
});

/** All that the results service reads from its environment. */
export const serviceConfig = defineConfig({
  ...resultsConfig.fields,
  CRONIUM_SECRETS_KEY: optionalField(secretsKeys, {
    doc: 'The keys that seal stored secrets and credentials, as id:base64 of 32 bytes each (openssl rand -base64 32), with commas between them. The first one seals; the others open what they sealed before. Without it secrets and credentials can’t be stored.',
    example: 'k2:<base64 of 32 bytes>,k1:<base64 of 32 bytes>',
    secret: true,
  }),
  CRONIUM_ARTIFACTS_DIR: optionalField(kinds.text, {
    doc: 'A folder for the bytes of artifacts, shared by all results processes. Without it they are kept in PostgreSQL.',
    example: '/var/lib/cronium/artifacts',
  }),
  CRONIUM_ARTIFACT_MAX_BYTES: field(kinds.bytes, {
    doc: 'The largest artifact that is taken. Longer ones are refused with 413.',
    default: '64MiB',
  }),
});

export type ServiceConfig = ConfigOf<typeof serviceConfig>;
