import { type Kysely, sql } from 'kysely';

/** What the webhooks of ended jobs are to be told, and were. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  'ALTER TABLE jobs ADD COLUMN webhook text',
  `CREATE TABLE webhook_deliveries (
    id text PRIMARY KEY,
    job_id text NOT NULL,
    attempt integer NOT NULL,
    state text NOT NULL,
    exit_code bigint,
    cause text,
    started_ms double precision,
    ended_ms double precision,
    webhook text NOT NULL,
    host text NOT NULL,
    created_ms double precision NOT NULL,
    due_ms double precision,
    tries integer NOT NULL DEFAULT 0,
    last_error text,
    delivered_ms double precision
  )`,
  'CREATE INDEX webhook_deliveries_by_due ON webhook_deliveries (due_ms) WHERE due_ms IS NOT NULL',
  'CREATE INDEX webhook_deliveries_by_job ON webhook_deliveries (job_id, created_ms)',
];
