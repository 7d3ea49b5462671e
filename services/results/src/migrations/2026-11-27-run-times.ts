import { type Kysely, sql } from 'kysely';

/** A job that never began took no time to start or to run: it had been counted as one that took none at all. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const OVER = `state IN ('succeeded', 'failed', 'timed_out', 'cancelled', 'lost')`;
const ENDED_AT = 'floor(ended_ms / 5000) * 5000';

const STATEMENTS = [
  // Of an unknown time the step is unknown: greatest() passes over what is NULL.
  `CREATE OR REPLACE FUNCTION tally_step(ms double precision) RETURNS integer LANGUAGE sql IMMUTABLE
    AS $$ SELECT floor(ln(CASE WHEN ms < 1 THEN 1 ELSE ms END) / ln(1.05))::integer $$`,
  `INSERT INTO tally_changes (scope, at_ms, what, n)
    SELECT scope, at_ms, what, -count(*) FROM (
      SELECT batch_id AS scope, NULL::double precision AS at_ms, 'run:0' AS what FROM jobs
        WHERE ${OVER} AND run_ms IS NULL AND batch_id IS NOT NULL
      UNION ALL
      SELECT tenant, ${ENDED_AT}, 'run:0' FROM jobs WHERE ${OVER} AND run_ms IS NULL AND ended_ms IS NOT NULL
      UNION ALL
      SELECT tenant, ${ENDED_AT}, 'start:0' FROM jobs
        WHERE ${OVER} AND (started_ms IS NULL OR stay_ms IS NULL) AND ended_ms IS NOT NULL
    ) counted GROUP BY scope, at_ms, what`,
];
