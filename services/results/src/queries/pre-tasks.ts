import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** The script that runs before all jobs of a tenant. */
export interface PreTask {
  readonly source: string;
  readonly updated_ms: number;
}

export async function getPreTask(db: Kysely<Database>, tenant: string): Promise<PreTask | undefined> {
  return await db
    .selectFrom('pre_tasks')
    .select(['source', 'updated_ms'])
    .where('tenant', '=', tenant)
    .executeTakeFirst();
}

/** Until the transaction ends nobody else changes a tenant's script. */
export async function lockPreTasks(db: Kysely<Database>): Promise<void> {
  await sql`LOCK TABLE pre_tasks IN EXCLUSIVE MODE`.execute(db);
}

export async function putPreTask(
  db: Kysely<Database>,
  row: { readonly tenant: string; readonly source: string; readonly updated_ms: number },
): Promise<void> {
  await db
    .insertInto('pre_tasks')
    .values(row)
    .onConflict((conflict) => conflict.column('tenant').doUpdateSet(row))
    .execute();
}

/** Returns whether there was one. */
export async function deletePreTask(db: Kysely<Database>, tenant: string): Promise<boolean> {
  const { numDeletedRows } = await db.deleteFrom('pre_tasks').where('tenant', '=', tenant).executeTakeFirst();
  return numDeletedRows === 1n;
}

/** The sources by tenant. */
export async function allPreTasks(db: Kysely<Database>): Promise<Map<string, string>> {
  const rows = await db.selectFrom('pre_tasks').select(['tenant', 'source']).execute();
  return new Map(rows.map(({ tenant, source }) => [tenant, source]));
}
