import { type Kysely, sql } from 'kysely';

/** The audit log knows from where a change came, and takes each entry once. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  'ALTER TABLE audit ADD COLUMN entry_id uuid NOT NULL DEFAULT gen_random_uuid()',
  'ALTER TABLE audit ADD COLUMN from_address text',
  'CREATE UNIQUE INDEX audit_by_entry ON audit (entry_id)',
  'CREATE INDEX audit_by_age ON audit (tenant, at_ms DESC, id DESC)',
];
