import { createHash, timingSafeEqual } from 'node:crypto';
import type { ApiKeyRecord, Keys } from '@cronium/contracts';
import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { findApiKey, listAllApiKeys } from '../queries/api-keys.ts';

/** Who makes a request. */
export interface Principal extends ApiKeyRecord {
  /** `key:<name>`, for the audit. */
  readonly actor: string;
}

/** The tenant of the keys that the environment gives. */
export const BOOTSTRAP_TENANT = 'default';

const CACHE_MS = 5000;
const CACHE_MAX = 10_000;

/** sha256 of an API key, hex: all that is stored of it. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Tells who an API key belongs to. Keys of the environment are admins of the default tenant. */
export class ApiKeys {
  readonly #db: Kysely<Database>;
  readonly #bootstrap: readonly { readonly name: string; readonly hash: Buffer }[];
  readonly #cache = new Map<string, { readonly principal: Principal | undefined; readonly atMs: number }>();

  constructor(db: Kysely<Database>, bootstrap: Readonly<Record<string, string>>) {
    this.#db = db;
    this.#bootstrap = Object.entries(bootstrap).map(([name, key]) => ({
      name,
      hash: Buffer.from(hashApiKey(key), 'hex'),
    }));
  }

  async find(key: string): Promise<Principal | undefined> {
    const hash = hashApiKey(key);
    const bytes = Buffer.from(hash, 'hex');
    const own = this.#bootstrap.find((one) => timingSafeEqual(one.hash, bytes));
    if (own) return { name: own.name, tenant: BOOTSTRAP_TENANT, role: 'admin', actor: `key:${own.name}` };
    const cached = this.#cache.get(hash);
    if (cached !== undefined && performance.now() - cached.atMs < CACHE_MS) return cached.principal;
    const record = await findApiKey(this.#db, hash);
    const principal = record && { ...record, actor: `key:${record.name}` };
    if (this.#cache.size >= CACHE_MAX) this.#cache.clear();
    this.#cache.set(hash, { principal, atMs: performance.now() });
    return principal;
  }

  /** Forgets what was looked up, after a key was made or removed. */
  forget(): void {
    this.#cache.clear();
  }
}

/** Copies the stored keys to Valkey, from which producers read them; a Valkey that lost its data has them again. */
export async function mirrorApiKeys(db: Kysely<Database>, valkey: Redis, keys: Keys): Promise<void> {
  const stored = await listAllApiKeys(db);
  const wanted = new Map(stored.map(({ hash, ...record }) => [hash, JSON.stringify(record)]));
  const there = await valkey.hkeys(keys.apiKeys);
  const gone = there.filter((hash) => !wanted.has(hash));
  if (wanted.size > 0) await valkey.hset(keys.apiKeys, Object.fromEntries(wanted));
  if (gone.length > 0) await valkey.hdel(keys.apiKeys, ...gone);
}
