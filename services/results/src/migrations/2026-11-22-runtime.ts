import { type Kysely, sql } from 'kysely';

/** What makes a job's repeated write one write, and the script that a tenant runs before its jobs. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `CREATE TABLE variable_writes (
    request text PRIMARY KEY,
    version bigint NOT NULL,
    value text,
    at_ms double precision NOT NULL
  )`,
  'CREATE INDEX variable_writes_by_age ON variable_writes (at_ms)',
  `CREATE TABLE pre_tasks (
    tenant text PRIMARY KEY,
    source text NOT NULL,
    updated_ms double precision NOT NULL
  )`,
];
