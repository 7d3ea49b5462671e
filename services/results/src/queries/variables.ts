import type { VariableView } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import { pgText } from '../db/bulk.ts';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import { problems } from '../http/problems.ts';

type Json = VariableView['value'];

/** Whose variable, and which. */
export interface VariableName {
  readonly tenant: string;
  readonly key: string;
}

/** The longest value, as JSON. */
export const MAX_VALUE_BYTES = 1024 * 1024;

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

/**
 * Changes a variable; changes of one variable happen one after the other, in every process.
 * @param change makes the new value of the old one; `undefined` when there was none
 * @throws what `change` throws; HttpProblem 413 when the value is too long
 */
export async function changeVariable(
  db: Kysely<Database>,
  name: VariableName,
  change: (old: VariableView | undefined) => Json,
): Promise<VariableView> {
  const { tenant, key } = name;
  return await withRetry(() =>
    db.transaction().execute(async (trx) => {
      // A row lock would not hold a variable that is not there yet.
      await sql`SELECT pg_advisory_xact_lock(hashtextextended(${JSON.stringify([tenant, key])}, 7071))`.execute(
        trx,
      );
      const old = await getVariable(trx, name);
      const value = change(old);
      const text = JSON.stringify(value);
      if (Buffer.byteLength(text) > MAX_VALUE_BYTES) {
        throw problems.tooLarge(`The value of a variable may have ${MAX_VALUE_BYTES} bytes as JSON.`);
      }
      const version = (old?.version ?? 0) + 1;
      const row = { tenant, key, value: text, version, updated_ms: Date.now() };
      await trx
        .insertInto('variables')
        .values(row)
        .onConflict((conflict) => conflict.columns(['tenant', 'key']).doUpdateSet(row))
        .execute();
      return { key, value, version };
    }),
  );
}

/** Returns whether there was one. */
export async function deleteVariable(db: Kysely<Database>, { tenant, key }: VariableName): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('variables')
    .where('tenant', '=', tenant)
    .where('key', '=', key)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

/** Sets a value; with `ifVersion` only over that version (0: only when there is none). */
export function put(value: Json, ifVersion: number | undefined) {
  return (old: VariableView | undefined): Json => {
    if (ifVersion !== undefined && ifVersion !== (old?.version ?? 0)) {
      throw problems.conflict(`The variable has version ${old?.version ?? 0}, not ${ifVersion}.`);
    }
    return value;
  };
}

/** Adds to a number; a missing one counts as 0. */
export function increment(by: number) {
  return (old: VariableView | undefined): Json => {
    const value = old === undefined ? 0 : old.value;
    if (typeof value !== 'number') throw problems.conflict('The variable is not a number.');
    if (!Number.isFinite(value + by)) throw problems.conflict('The sum is too large for a number.');
    return value + by;
  };
}

/** Appends to a text; a missing one is begun, without the separator. */
export function append(text: string, separator: string) {
  return (old: VariableView | undefined): Json => {
    if (old === undefined) return text;
    if (typeof old.value !== 'string') throw problems.conflict('The variable is not a text.');
    return `${old.value}${separator}${text}`;
  };
}

/** A key as it is stored: 1 to 512 characters. */
export function variableKey(text: string): string {
  if (text.length < 1 || text.length > 512) {
    throw problems.badQuery([{ path: 'key', message: 'must have 1 to 512 characters' }]);
  }
  if (pgText(text) !== text) throw problems.badValue();
  return text;
}
