import { type Kysely, sql } from 'kysely';

/**
 * A log's new chunks go to the day on which they come, whose table is there, instead of that of its beginning, whose table
 * may be past retention. Frozen.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

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
const list = (columns: Columns) => Object.keys(columns).join(', ');
const typed = (columns: Columns) =>
  Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');

const NEWEST = 'coalesce(l.later_days[cardinality(l.later_days)], l.day)';

const STATEMENTS = [
  `ALTER TABLE attempt_logs ADD COLUMN later_days date[] NOT NULL DEFAULT '{}'`,
  // Appends to each log that stands where its new chunks begin; returns which those are. Days of a log only grow.
  `CREATE OR REPLACE FUNCTION intake_logs(runs json, chunks json, bodies bytea) RETURNS text[]
    LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
          stderr_end = run.stderr_end, omitted_bytes = l.omitted_bytes + run.omitted_bytes, complete = run.complete,
          later_days = CASE WHEN run.day > ${NEWEST} THEN l.later_days || run.day ELSE l.later_days END
        FROM run WHERE l.attempt_id = run.attempt_id AND l.next_chunk = run.first_chunk AND l.next_seq = run.first_seq
          AND NOT l.complete RETURNING l.attempt_id, ${NEWEST} AS day
      )
      SELECT array_agg(attempt_id), array_agg(day) INTO appended, days
        FROM (SELECT * FROM begun UNION ALL SELECT * FROM continued) done;
      INSERT INTO log_chunks (day, ${list(CHUNK)}, body)
        SELECT days[array_position(appended, attempt_id)], ${list(CHUNK)}, substring(bodies FROM at + 1 FOR bytes)
        FROM json_to_recordset(chunks) AS v(${typed(CHUNK)}, at integer, bytes integer)
        WHERE attempt_id = ANY(appended) ON CONFLICT DO NOTHING;
      job_ids := ARRAY(SELECT DISTINCT split_part(id, '.', 1) FROM unnest(appended) id);
      PERFORM pg_notify('cronium_changes', array_to_string(job_ids[at:at + 399], ' '))
        FROM generate_series(1, cardinality(job_ids), 400) at;
      RETURN coalesce(appended, '{}');
    END $$`,
];
