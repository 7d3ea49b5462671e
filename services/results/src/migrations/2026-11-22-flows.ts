import { type Kysely, sql } from 'kysely';

/** Flows and their steps. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `CREATE TABLE flows (
    id text PRIMARY KEY,
    tenant text NOT NULL,
    name text NOT NULL,
    record text NOT NULL,
    trace_id text NOT NULL,
    state text NOT NULL,
    created_ms double precision NOT NULL,
    ended_ms double precision,
    cancelled_by text,
    cancelled_ms double precision
  )`,
  'CREATE INDEX flows_by_age ON flows (tenant, created_ms DESC, id DESC)',
  'CREATE INDEX flows_by_end ON flows (ended_ms) WHERE ended_ms IS NOT NULL',
  `CREATE TABLE flow_steps (
    flow_id text NOT NULL,
    position integer NOT NULL,
    name text NOT NULL,
    job_id text NOT NULL,
    state text NOT NULL,
    outcome text,
    condition boolean,
    reason text,
    PRIMARY KEY (flow_id, position)
  )`,
  `CREATE INDEX flow_steps_open ON flow_steps (job_id) WHERE state IN ('starting', 'started')`,
];
