import type { Kysely } from 'kysely';
import type { Sealed, SecretBox } from '../auth/secret-box.ts';
import type { Database } from '../db/schema.ts';

/** A secret or a credential. */
export interface SealedName {
  readonly tenant: string;
  readonly kind: 'secret' | 'credential';
  readonly name: string;
}

function placeOf({ tenant, kind, name }: SealedName): string {
  return JSON.stringify([kind, tenant, name]);
}

/** Stores a value, sealed, over what was there. */
export async function putSealed(
  db: Kysely<Database>,
  name: SealedName,
  { box, text, atMs }: { box: SecretBox; text: string; atMs: number },
): Promise<void> {
  const { keyId, nonce, sealed } = box.seal(text, placeOf(name));
  const value = { key_id: keyId, nonce, sealed, updated_ms: atMs };
  await db
    .insertInto('sealed')
    .values({ ...name, ...value, created_ms: atMs })
    .onConflict((conflict) => conflict.columns(['tenant', 'kind', 'name']).doUpdateSet(value))
    .execute();
}

/** The value; `undefined` when there is none. @throws UnsealError */
export async function openSealed(
  db: Kysely<Database>,
  name: SealedName,
  box: SecretBox,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('sealed')
    .select(['key_id', 'nonce', 'sealed'])
    .where('tenant', '=', name.tenant)
    .where('kind', '=', name.kind)
    .where('name', '=', name.name)
    .executeTakeFirst();
  return row && box.open({ keyId: row.key_id, nonce: row.nonce, sealed: row.sealed }, placeOf(name));
}

/** Those of the values that there are, by name. @throws UnsealError */
export async function openAllSealed(
  db: Kysely<Database>,
  { tenant, kind, names }: Omit<SealedName, 'name'> & { names: readonly string[] },
  box: SecretBox,
): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const rows = await db
    .selectFrom('sealed')
    .select(['name', 'key_id', 'nonce', 'sealed'])
    .where('tenant', '=', tenant)
    .where('kind', '=', kind)
    .where('name', 'in', names)
    .execute();
  return new Map(
    rows.map(({ name, key_id, nonce, sealed }) => [
      name,
      box.open({ keyId: key_id, nonce, sealed }, placeOf({ tenant, kind, name })),
    ]),
  );
}

/** Names and times; values are never listed. */
export async function listSealed(db: Kysely<Database>, { tenant, kind }: Omit<SealedName, 'name'>) {
  return await db
    .selectFrom('sealed')
    .select(['name', 'created_ms', 'updated_ms'])
    .where('tenant', '=', tenant)
    .where('kind', '=', kind)
    .orderBy('name')
    .execute();
}

export async function deleteSealed(
  db: Kysely<Database>,
  { tenant, kind, name }: SealedName,
): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('sealed')
    .where('tenant', '=', tenant)
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

/** A stored value, sealed. */
export type SealedRow = SealedName & Sealed;

/** Values that another key than this one sealed. */
export async function rowsNotSealedWith(db: Kysely<Database>, keyId: string): Promise<SealedRow[]> {
  const rows = await db
    .selectFrom('sealed')
    .select(['tenant', 'kind', 'name', 'key_id', 'nonce', 'sealed'])
    .where('key_id', '!=', keyId)
    .execute();
  return rows.map(({ key_id, ...row }) => ({ ...row, keyId: key_id }));
}

/** @throws UnsealError */
function openRow(row: SealedRow, box: SecretBox): string {
  return box.open(row, placeOf(row));
}

/** Seals a value with the present key, unless it was changed meanwhile. Returns whether it did. */
export async function resealRow(db: Kysely<Database>, row: SealedRow, box: SecretBox): Promise<boolean> {
  const { keyId, nonce, sealed } = box.seal(openRow(row, box), placeOf(row));
  const { numUpdatedRows } = await db
    .updateTable('sealed')
    .set({ key_id: keyId, nonce, sealed })
    .where('tenant', '=', row.tenant)
    .where('kind', '=', row.kind)
    .where('name', '=', row.name)
    .where('nonce', '=', row.nonce)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}
