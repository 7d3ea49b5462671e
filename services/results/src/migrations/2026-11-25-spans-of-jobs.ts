import { type Kysely, sql } from 'kysely';

/**
 * The spans of some jobs of a trace, and those of it that belong to no job, planned once for a connection: with a table a
 * day, the plan takes longer than what it does. Frozen.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql.raw(FUNCTION).execute(db);
}

// As expressions, which no index knows, tenant and trace leave only the index of jobs: it is right for any number of spans.
// The one plan is made while a day's table is empty, too, and must do for when it is not.
const FUNCTION = `
  CREATE FUNCTION spans_of_jobs(of_tenant text, of_trace text, of_jobs text[], most integer) RETURNS SETOF spans
    LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
    BEGIN
      RETURN QUERY SELECT * FROM (
        (SELECT * FROM spans s WHERE s.job_id = ANY(of_jobs) AND s.tenant || '' = of_tenant AND s.trace_id || '' = of_trace
          ORDER BY s.start_ms, s.span_id LIMIT most)
        UNION ALL
        (SELECT * FROM spans s WHERE s.tenant = of_tenant AND s.trace_id = of_trace AND s.job_id IS NULL
          ORDER BY s.start_ms, s.span_id LIMIT most)
      ) found ORDER BY found.start_ms, found.span_id LIMIT most;
    END $$`;
