import { type Kysely, sql } from 'kysely';

/**
 * The first jobs of a trace are found in their order, however many it has, and so are the spans that belong to no job.
 * The days that are there already stay without the latter index, so that none of their spans is read here: until they
 * are past retention they are read as before. Frozen.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  'DROP INDEX jobs_by_trace',
  'CREATE INDEX jobs_by_trace ON jobs (trace_id, accepted_ms)',
  'CREATE INDEX spans_of_no_job ON ONLY spans (tenant, trace_id, start_ms) WHERE job_id IS NULL',
];
