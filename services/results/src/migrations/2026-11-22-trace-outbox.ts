import { type Kysely, sql } from 'kysely';

/** Jobs that ended and whose traces are on their way to a collector. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `CREATE TABLE trace_outbox (
    job_id text PRIMARY KEY,
    since_ms double precision NOT NULL,
    due_ms double precision NOT NULL
  )`,
  'CREATE INDEX trace_outbox_by_due ON trace_outbox (due_ms)',
];
