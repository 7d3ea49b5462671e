import { type Kysely, sql } from 'kysely';

/** Sums of jobs, kept while jobs change, and the index by which a batch's jobs are listed. Frozen. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const COLUMNS = 'tenant, batch_id, state, cause, accepted_ms, stay_ms, started_ms, ended_ms, run_ms';

const SUMMED = (rows: string) => `
  INSERT INTO tally_changes (scope, at_ms, what, n, low, high)
  SELECT scope, at_ms, what, sum(n), min(low), max(high) FROM (${rows}) told
  GROUP BY scope, at_ms, what HAVING sum(n) <> 0`;

const ROWS = (table: string, sign: 1 | -1) =>
  `SELECT t.* FROM ${table} j, tallies_of(${COLUMNS.replaceAll(/\w+/g, 'j.$&')}, ${sign}) t`;

const STATEMENTS = [
  'CREATE INDEX jobs_by_batch_age ON jobs (batch_id, accepted_ms DESC, id DESC) WHERE batch_id IS NOT NULL',
  `CREATE INDEX jobs_failed_by_batch ON jobs (batch_id, state, coalesce(cause, ''), coalesce(exit_code, -1), ended_ms DESC, id)
    INCLUDE (cause, exit_code) WHERE batch_id IS NOT NULL AND state IN ('failed', 'timed_out', 'lost', 'cancelled')`,
  `CREATE INDEX jobs_open ON jobs (id) WHERE state IN ('queued', 'claimed', 'preparing', 'running', 'draining')`,
  'CREATE INDEX flows_by_state ON flows (tenant, state, created_ms DESC, id DESC)',
  'CREATE INDEX audit_by_target ON audit (tenant, target, at_ms DESC, id DESC)',
  `CREATE TABLE tallies (
    scope text NOT NULL,
    level integer NOT NULL,
    slice bigint NOT NULL,
    what text NOT NULL,
    n bigint NOT NULL,
    low double precision,
    high double precision,
    PRIMARY KEY (scope, level, slice, what)
  )`,
  'CREATE INDEX tallies_empty ON tallies (scope) WHERE n = 0',
  'CREATE INDEX tallies_by_slice ON tallies (level, slice) WHERE level > 0',
  `CREATE TABLE tally_changes (
    scope text NOT NULL,
    at_ms double precision,
    what text NOT NULL,
    n bigint NOT NULL,
    low double precision,
    high double precision
  )`,
  // Steps of 5 %: the middle of a step is within 2.5 % of all that is in it.
  `CREATE FUNCTION tally_step(ms double precision) RETURNS integer LANGUAGE sql IMMUTABLE
    AS $$ SELECT floor(ln(greatest(1, ms)) / ln(1.05))::integer $$`,
  `CREATE FUNCTION tallies_of(tenant text, batch_id text, state text, cause text, accepted_ms double precision,
      stay_ms double precision, started_ms double precision, ended_ms double precision, run_ms double precision, sign bigint)
    RETURNS TABLE (scope text, at_ms double precision, what text, n bigint, low double precision, high double precision)
    LANGUAGE sql IMMUTABLE AS $$
    SELECT v.scope, floor(v.at_ms / 5000) * 5000, v.what, sign, CASE WHEN sign > 0 THEN v.low END, CASE WHEN sign > 0 THEN v.high END
    FROM (SELECT state IN ('succeeded', 'failed', 'timed_out', 'cancelled', 'lost') AS over) e,
      LATERAL (VALUES
        (batch_id, NULL::double precision, 'state:' || state, started_ms, ended_ms),
        (CASE WHEN over THEN batch_id END, NULL, 'run:' || tally_step(run_ms), NULL, NULL),
        (tenant, accepted_ms, 'accepted', NULL, NULL),
        (tenant, CASE WHEN over THEN coalesce(started_ms, ended_ms)
          WHEN state IN ('claimed', 'preparing', 'running', 'draining') THEN started_ms END, 'taken', NULL, NULL),
        (tenant, CASE WHEN over THEN ended_ms END, 'ended:' || state, NULL, NULL),
        (tenant, CASE WHEN over THEN ended_ms END, 'start:' || tally_step(started_ms - stay_ms), NULL, NULL),
        (tenant, CASE WHEN over THEN ended_ms END, 'run:' || tally_step(run_ms), NULL, NULL),
        (tenant, CASE WHEN state IN ('failed', 'timed_out', 'lost') THEN ended_ms END,
          'cause:' || state || ':' || coalesce(cause, ''), NULL, NULL)
      ) v (scope, at_ms, what, low, high)
    WHERE v.scope IS NOT NULL AND v.what IS NOT NULL AND (v.at_ms IS NOT NULL OR v.scope = batch_id)
  $$`,
  `CREATE FUNCTION tally_new_jobs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    ${SUMMED(ROWS('new_jobs', 1))}; RETURN NULL; END $$`,
  `CREATE FUNCTION tally_changed_jobs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    ${SUMMED(`${ROWS('old_jobs', -1)} UNION ALL ${ROWS('new_jobs', 1)}`)}; RETURN NULL; END $$`,
  `CREATE FUNCTION tally_gone_jobs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    ${SUMMED(ROWS('old_jobs', -1))}; RETURN NULL; END $$`,
  `INSERT INTO tallies (scope, level, slice, what, n, low, high)
    SELECT scope, level, CASE level WHEN 0 THEN 0 ELSE floor(at_ms / 1000 / level)::bigint END, what, sum(n), min(low), max(high)
    FROM (${ROWS('jobs', 1)}) told JOIN (VALUES (0, NULL), (10800, NULL), (1800, 96), (300, 24), (60, 4), (5, 1)) l (level, hours)
      ON (level = 0) = (at_ms IS NULL) AND (hours IS NULL OR at_ms > extract(epoch FROM now()) * 1000 - hours * 3600000)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4`,
  `CREATE TRIGGER jobs_tally_insert AFTER INSERT ON jobs REFERENCING NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION tally_new_jobs()`,
  `CREATE TRIGGER jobs_tally_update AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION tally_changed_jobs()`,
  `CREATE TRIGGER jobs_tally_delete AFTER DELETE ON jobs REFERENCING OLD TABLE AS old_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION tally_gone_jobs()`,
];
