import type { ApiKeyRecord, Keys } from '@cronium/contracts';
import { BootstrapKeys, hashApiKey } from '@cronium/http';
import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { findApiKey, listAllApiKeys } from '../queries/api-keys.ts';

/** Who makes a request. */
export interface Principal extends ApiKeyRecord {
  /** `key:<name>`, for the audit. */
  readonly actor: string;
}

const CACHE_MS = 5000;
const CACHE_MAX = 10_000;

/** Tells who an API key belongs to. Keys of the environment are admins of the default tenant. */
export class ApiKeys {
  readonly #db: Kysely<Database>;
  readonly #bootstrap: BootstrapKeys;
  readonly #cache = new Map<string, { readonly principal: Principal | undefined; readonly atMs: number }>();

  constructor(db: Kysely<Database>, bootstrap: Readonly<Record<string, string>>) {
    this.#db = db;
    this.#bootstrap = new BootstrapKeys(bootstrap);
  }

  async find(key: string): Promise<Principal | undefined> {
    const hash = hashApiKey(key);
    const own = this.#bootstrap.find(hash);
    if (own) return principalOf(own);
    const cached = this.#cache.get(hash);
    if (cached !== undefined && performance.now() - cached.atMs < CACHE_MS) return cached.principal;
    const record = await findApiKey(this.#db, hash);
    const principal = record && principalOf(record);
    if (this.#cache.size >= CACHE_MAX) this.#cache.clear();
    this.#cache.set(hash, { principal, atMs: performance.now() });
    return principal;
  }

  /** Forgets what was looked up, after a key was made or removed. */
  forget(): void {
    this.#cache.clear();
  }
}

function principalOf(record: ApiKeyRecord): Principal {
  return { ...record, actor: `key:${record.name}` };
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
