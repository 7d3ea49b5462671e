import { type Kysely, sql } from 'kysely';

/** The attempts that the intake asks for are found at once for all jobs of a request. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(STATEMENT).execute(db);
}

const STATEMENT = `CREATE OR REPLACE FUNCTION intake_known(job_ids text[], attempt_ids text[])
  RETURNS TABLE (id text, state text, attempt integer, settled_attempt integer, stay_ms double precision, changed xid8, attempts json)
  LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_nestloop = off AS $$
  #variable_conflict use_column
  BEGIN
    RETURN QUERY
      WITH own AS MATERIALIZED (
        SELECT t.job_id, json_agg(t) AS list FROM attempts t WHERE t.id = ANY(attempt_ids) GROUP BY t.job_id
      )
      SELECT j.id, j.state, j.attempt, j.settled_attempt, j.stay_ms, j.changed, own.list
      FROM jobs j LEFT JOIN own ON own.job_id = j.id WHERE j.id = ANY(job_ids);
  END $$`;
