import { createHash, timingSafeEqual } from 'node:crypto';
import type { ApiKeyRecord } from '@cronium/contracts';
import { commonProblems } from './problems.ts';

/** The tenant of the keys that come with the configuration. */
const BOOTSTRAP_TENANT = 'default';
const RANK = { reader: 0, submitter: 1, admin: 2 } as const;

/** The token of an `Authorization: Bearer` header; `undefined` when there is none, or it has another form. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
}

/** sha256 of an API key, hex: all that is stored of it. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** The API keys that the configuration gives. Each is an admin of the default tenant. */
export class BootstrapKeys {
  readonly #known: readonly { readonly hash: Buffer; readonly record: ApiKeyRecord }[];

  /** @param keys by name */
  constructor(keys: Readonly<Record<string, string>>) {
    this.#known = Object.entries(keys).map(([name, key]) => ({
      hash: Buffer.from(hashApiKey(key)),
      record: Object.freeze({ name, tenant: BOOTSTRAP_TENANT, role: 'admin' as const }),
    }));
  }

  /** Whose key has this hash? Compares with every key, each in constant time. */
  find(hash: string): ApiKeyRecord | undefined {
    const wanted = Buffer.from(hash);
    return this.#known.reduce<ApiKeyRecord | undefined>(
      (found, { hash: own, record }) => (timingSafeEqual(own, wanted) ? record : found),
      undefined,
    );
  }
}

/** @throws HttpProblem 403 when the key's role is a lower one */
export function requireRole({ name, role: own }: ApiKeyRecord, role: ApiKeyRecord['role']): void {
  if (RANK[own] >= RANK[role]) return;
  throw commonProblems.forbidden(
    `The API key ${JSON.stringify(name)} has the role ${own}; this needs the role ${role} or a higher one.`,
  );
}
