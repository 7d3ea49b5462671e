import { type Kysely, sql } from 'kysely';

/**
 * All sums of a batch, or of a slice of time, stand in one row: who asks for them reads a row instead of hundreds. As JSON,
 * `{"run:42":7,…}`. Frozen.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const OBJECT = `'{' || coalesce(string_agg(to_json(what)::text || ':' || n, ','), '') || '}'`;

const STATEMENTS = [
  'LOCK TABLE tallies IN ACCESS EXCLUSIVE MODE',
  'ALTER TABLE tallies RENAME TO tallies_by_what',
  'ALTER TABLE tallies_by_what RENAME CONSTRAINT tallies_pkey TO tallies_by_what_pkey',
  'DROP INDEX tallies_by_slice',
  // A row is written again and again: with room beside it, its indexes stay as they are.
  `CREATE TABLE tallies (
    scope text NOT NULL,
    level integer NOT NULL,
    slice bigint NOT NULL,
    counts text NOT NULL,
    low double precision,
    high double precision,
    PRIMARY KEY (scope, level, slice)
  ) WITH (fillfactor = 60)`,
  `INSERT INTO tallies (scope, level, slice, counts, low, high)
    SELECT scope, level, slice, ${OBJECT}, min(low), max(high) FROM tallies_by_what WHERE n <> 0
    GROUP BY scope, level, slice ORDER BY scope, level, slice`,
  'DROP TABLE tallies_by_what',
  'CREATE INDEX tallies_by_slice ON tallies (level, slice) WHERE level > 0',
  `CREATE FUNCTION tally_object(whats text[], ns bigint[]) RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT ${OBJECT} FROM unnest(whats, ns) told (what, n) WHERE n <> 0 $$`,
  `CREATE FUNCTION tally_sum(one text, other text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT ${OBJECT} FROM (
      SELECT key AS what, sum(value::bigint) AS n
      FROM (SELECT * FROM json_each_text(one::json) UNION ALL SELECT * FROM json_each_text(other::json)) told
      GROUP BY key HAVING sum(value::bigint) <> 0
    ) summed $$`,
  'ANALYZE tallies',
];
