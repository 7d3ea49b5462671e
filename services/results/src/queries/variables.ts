import type { VariableView } from '@cronium/contracts';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Whose variable, and which. */
export interface VariableName {
  readonly tenant: string;
  readonly key: string;
}

export async function getVariable(
  db: Kysely<Database>,
  { tenant, key }: VariableName,
): Promise<VariableView | undefined> {
  const row = await db
    .selectFrom('variables')
    .select(['value', 'version'])
    .where('tenant', '=', tenant)
    .where('key', '=', key)
    .executeTakeFirst();
  return row && { key, value: JSON.parse(row.value), version: row.version };
}

export async function listVariables(
  db: Kysely<Database>,
  { tenant, prefix, after, limit }: { tenant: string; prefix: string; after: string; limit: number },
): Promise<VariableView[]> {
  const rows = await db
    .selectFrom('variables')
    .select(['key', 'value', 'version'])
    .where('tenant', '=', tenant)
    .where('key', '>', after)
    .where(sql<boolean>`starts_with(key, ${prefix})`)
    .orderBy('key')
    .limit(limit)
    .execute();
  return rows.map(({ key, value, version }) => ({ key, value: JSON.parse(value), version }));
}

/** Until the transaction ends no other one has this variable; a row lock would not hold one that is not there yet. */
export async function lockVariable(trx: Transaction<Database>, { tenant, key }: VariableName): Promise<void> {
  const name = JSON.stringify([tenant, key]);
  await sql`SELECT pg_advisory_xact_lock(hashtextextended(${name}, 7071))`.execute(trx);
}

/** @param variable its value as JSON, and the version that it has from now on */
export async function putVariable(
  trx: Transaction<Database>,
  { tenant, key }: VariableName,
  { value, version }: { value: string; version: number },
): Promise<void> {
  const row = { tenant, key, value, version, updated_ms: Date.now() };
  await trx
    .insertInto('variables')
    .values(row)
    .onConflict((conflict) => conflict.columns(['tenant', 'key']).doUpdateSet(row))
    .execute();
}

/** Removes a variable; its version is kept for the next one of that name. */
export async function removeVariable(
  trx: Transaction<Database>,
  { tenant, key }: VariableName,
): Promise<void> {
  await sql`
    WITH gone AS (DELETE FROM variables WHERE tenant = ${tenant} AND key = ${key} RETURNING tenant, key, version)
    INSERT INTO removed_variables SELECT tenant, key, version, ${Date.now()} FROM gone
    ON CONFLICT (tenant, key) DO UPDATE SET version = excluded.version, at_ms = excluded.at_ms`.execute(trx);
}

/** The version that the last variable of this name had when it was removed; 0 when there never was one. */
export async function removedVersion(
  trx: Transaction<Database>,
  { tenant, key }: VariableName,
): Promise<number> {
  const row = await trx
    .selectFrom('removed_variables')
    .select('version')
    .where('tenant', '=', tenant)
    .where('key', '=', key)
    .executeTakeFirst();
  return row?.version ?? 0;
}

/** What a request was answered before; a value that was too long to be kept is undefined. */
export async function findWrite(
  trx: Transaction<Database>,
  request: string,
): Promise<{ readonly version: number; readonly value: string | null } | undefined> {
  return await trx
    .selectFrom('variable_writes')
    .select(['version', 'value'])
    .where('request', '=', request)
    .executeTakeFirst();
}

export async function recordWrite(
  trx: Transaction<Database>,
  write: { readonly request: string; readonly version: number; readonly value: string | null },
): Promise<void> {
  await trx
    .insertInto('variable_writes')
    .values({ ...write, at_ms: Date.now() })
    .execute();
}

export async function forgetRemoved(db: Kysely<Database>, beforeMs: number): Promise<void> {
  await db.deleteFrom('removed_variables').where('at_ms', '<', beforeMs).execute();
}

export async function forgetWrites(db: Kysely<Database>, beforeMs: number): Promise<void> {
  await db.deleteFrom('variable_writes').where('at_ms', '<', beforeMs).execute();
}
