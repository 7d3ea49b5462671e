import type { ApiKeyRecord } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';

export async function findApiKey(db: Kysely<Database>, hash: string): Promise<ApiKeyRecord | undefined> {
  return await db
    .selectFrom('api_keys')
    .select(['name', 'tenant', 'role'])
    .where('hash', '=', hash)
    .executeTakeFirst();
}

export async function listAllApiKeys(db: Kysely<Database>): Promise<(ApiKeyRecord & { hash: string })[]> {
  return await db.selectFrom('api_keys').select(['hash', 'name', 'tenant', 'role']).execute();
}

export async function listApiKeys(db: Kysely<Database>, tenant: string) {
  return await db
    .selectFrom('api_keys')
    .select(['name', 'role', 'created_ms'])
    .where('tenant', '=', tenant)
    .orderBy('name')
    .execute();
}

/** Stores a key's hash. Returns false when the tenant has a key of that name. */
export async function insertApiKey(
  db: Kysely<Database>,
  { hash, name, tenant, role, atMs }: ApiKeyRecord & { hash: string; atMs: number },
): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await db
    .insertInto('api_keys')
    .values({ hash, name, tenant, role, created_ms: atMs })
    .onConflict((conflict) => conflict.columns(['tenant', 'name']).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** Removes a key. Returns its hash; `undefined` when there was none. */
export async function deleteApiKey(
  db: Kysely<Database>,
  tenant: string,
  name: string,
): Promise<string | undefined> {
  const row = await db
    .deleteFrom('api_keys')
    .where('tenant', '=', tenant)
    .where('name', '=', name)
    .returning('hash')
    .executeTakeFirst();
  return row?.hash;
}
