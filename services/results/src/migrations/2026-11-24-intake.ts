import { type Kysely, sql } from 'kysely';

/**
 * What workers send is stored by one statement each, planned once for a connection: it is its own transaction, without
 * a round trip for each of its steps. Frozen.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const ATTEMPT = {
  id: 'text',
  job_id: 'text',
  attempt: 'integer',
  node: 'text',
  day: 'date',
  state: 'text',
  outcome: 'text',
  inferred: 'boolean',
  final: 'boolean',
  next_run_ms: 'double precision',
  timeline: 'text',
  image: 'text',
  claimed_ms: 'double precision',
  started_ms: 'double precision',
  ended_ms: 'double precision',
};

const CHANGE = {
  state: 'text',
  attempt: 'integer',
  settled_attempt: 'integer',
  stay_ms: 'double precision',
  node: 'text',
  exit_code: 'bigint',
  cause: 'text',
  message: 'text',
  next_run_ms: 'double precision',
  started_ms: 'double precision',
  ended_ms: 'double precision',
  run_ms: 'double precision',
};

const POSITION = {
  attempt_id: 'text',
  day: 'date',
  next_chunk: 'integer',
  next_seq: 'bigint',
  stdout_end: 'bigint',
  stderr_end: 'bigint',
  omitted_bytes: 'bigint',
  complete: 'boolean',
};

const CHUNK = {
  attempt_id: 'text',
  chunk: 'integer',
  first_seq: 'bigint',
  records: 'integer',
  last: 'boolean',
  time_ms: 'double precision',
};

type Columns = Readonly<Record<string, string>>;
const list = (columns: Columns, each = (name: string) => name) => Object.keys(columns).map(each).join(', ');
const typed = (columns: Columns) =>
  Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');

/** One plan for good: made while the tables are empty, it must do for when they are not. So rows are found by indexes. */
const PLANNED =
  'SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off';

/** A notification holds at most 8,000 bytes; a job id has 16. */
const NOTIFY = (ids: string) => `
  PERFORM pg_notify('cronium_changes', array_to_string(${ids}[at:at + 399], ' '))
    FROM generate_series(1, cardinality(${ids}), 400) at`;

const STATEMENTS = [
  // The jobs, and of their attempts those that are named.
  `CREATE FUNCTION intake_known(job_ids text[], attempt_ids text[])
    RETURNS TABLE (id text, state text, attempt integer, settled_attempt integer, stay_ms double precision, changed xid8, attempts json)
    LANGUAGE plpgsql STABLE ${PLANNED} AS $$
    #variable_conflict use_column
    BEGIN
      RETURN QUERY SELECT j.id, j.state, j.attempt, j.settled_attempt, j.stay_ms, j.changed,
        (SELECT json_agg(a) FROM (SELECT * FROM attempts WHERE job_id = j.id OFFSET 0) a WHERE a.id = ANY(attempt_ids))
      FROM jobs j WHERE j.id = ANY(job_ids);
    END $$`,
  // Ids come in their order. Fails with a collision when one of the jobs is no longer as it was seen.
  `CREATE FUNCTION intake_attempts(job_ids text[], seen xid8[], told json, changes json) RETURNS void
    LANGUAGE plpgsql ${PLANNED} AS $$
    #variable_conflict use_column
    DECLARE present xid8[];
    BEGIN
      WITH held AS MATERIALIZED (
        SELECT j.id, j.changed FROM jobs j WHERE j.id = ANY(job_ids) ORDER BY j.id FOR UPDATE
      )
      SELECT array_agg(changed ORDER BY id COLLATE "C") INTO present FROM held;
      IF present IS DISTINCT FROM seen THEN
        RAISE EXCEPTION 'a job was changed since it was read' USING ERRCODE = 'serialization_failure';
      END IF;
      INSERT INTO attempts (${list(ATTEMPT)}) SELECT ${list(ATTEMPT)} FROM json_to_recordset(told) AS v(${typed(ATTEMPT)})
        ON CONFLICT (id) DO UPDATE SET ${list(ATTEMPT, (name) => `${name} = excluded.${name}`)};
      UPDATE jobs SET ${list(CHANGE, (name) => `${name} = v.${name}`)}, changed = pg_current_xact_id()
        FROM json_to_recordset(changes) AS v(id text, ${typed(CHANGE)})
        WHERE jobs.id = v.id;
      IF json_array_length(changes) < cardinality(job_ids) THEN
        UPDATE jobs SET changed = pg_current_xact_id()
          WHERE jobs.id = ANY(job_ids) AND jobs.changed <> pg_current_xact_id();
      END IF;
      ${NOTIFY('job_ids')};
    END $$`,
  // Appends to each log that stands where its new chunks begin; returns which those are.
  `CREATE FUNCTION intake_logs(runs json, chunks json, bodies bytea) RETURNS text[]
    LANGUAGE plpgsql ${PLANNED} AS $$
    #variable_conflict use_column
    DECLARE
      appended text[];
      days date[];
      job_ids text[];
    BEGIN
      WITH run AS (
        SELECT * FROM json_to_recordset(runs) AS v(${typed(POSITION)}, first_chunk integer, first_seq bigint)
      ), begun AS (
        INSERT INTO attempt_logs (${list(POSITION)}) SELECT ${list(POSITION)} FROM run
          WHERE first_chunk = 0 AND first_seq = 1 ORDER BY attempt_id ON CONFLICT DO NOTHING RETURNING attempt_id, day
      ), continued AS (
        UPDATE attempt_logs l SET next_chunk = run.next_chunk, next_seq = run.next_seq, stdout_end = run.stdout_end,
          stderr_end = run.stderr_end, omitted_bytes = l.omitted_bytes + run.omitted_bytes, complete = run.complete
        FROM run WHERE l.attempt_id = run.attempt_id AND l.next_chunk = run.first_chunk AND l.next_seq = run.first_seq
          AND NOT l.complete RETURNING l.attempt_id, l.day
      )
      SELECT array_agg(attempt_id), array_agg(day) INTO appended, days
        FROM (SELECT * FROM begun UNION ALL SELECT * FROM continued) done;
      INSERT INTO log_chunks (day, ${list(CHUNK)}, body)
        SELECT days[array_position(appended, attempt_id)], ${list(CHUNK)}, substring(bodies FROM at + 1 FOR bytes)
        FROM json_to_recordset(chunks) AS v(${typed(CHUNK)}, at integer, bytes integer)
        WHERE attempt_id = ANY(appended) ON CONFLICT DO NOTHING;
      job_ids := ARRAY(SELECT DISTINCT split_part(id, '.', 1) FROM unnest(appended) id);
      ${NOTIFY('job_ids')};
      RETURN coalesce(appended, '{}');
    END $$`,
];
