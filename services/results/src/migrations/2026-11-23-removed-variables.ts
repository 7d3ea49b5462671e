import { type Kysely, sql } from 'kysely';

/** What version a variable had when it was removed, so that one of the same name goes on from there. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `CREATE TABLE removed_variables (
    tenant text NOT NULL,
    key text NOT NULL,
    version bigint NOT NULL,
    at_ms double precision NOT NULL,
    PRIMARY KEY (tenant, key)
  )`,
  'CREATE INDEX removed_variables_by_age ON removed_variables (at_ms)',
];
