import { jobSpec } from '@cronium/contracts';

const SPEC = JSON.stringify(
  jobSpec.parse({
    name: 'NAMETEXT',
    type: 'script',
    script: {
      language: 'bash',
      source: 'set -u\nfor file in in/*; do resize "$file" --width 1200 --out out/; done\n',
    },
    pool: 'POOLTEXT',
    labels: { team: 'TEAMTEXT', customer: 'CUSTOMERTEXT' },
    env: { BUCKET: 'pictures', REGION: 'north' },
    input: { pictures: ['a.jpg', 'b.jpg', 'c.jpg'], width: 1200 },
  }),
).replaceAll("'", "''");

/** When the job of a number comes, in a statement that reads the parameters as `p`. */
const at = (g: string) => `(p.now_ms - p.week_ms * (1 - ${g} / p.jobs::float8) - 120000)`;

const MOMENTS: readonly (readonly [moment: string, share: number])[] = [
  ['claimed', -0.04],
  ['network_started', -0.039],
  ['network_ended', -0.035],
  ['image_started', -0.034],
  ['image_ended', -0.033],
  ['sidecar_started', -0.032],
  ['sidecar_ended', -0.02],
  ['create_started', -0.019],
  ['create_ended', -0.01],
  ['start_started', -0.009],
  ['start_ended', -0.001],
  ['main_started', 0],
  ['first_byte', 0.01],
  ['main_ended', 1],
  ['drain_started', 1.001],
  ['drain_ended', 1.01],
  ['teardown_started', 1.011],
  ['teardown_ended', 1.03],
];
const TIMELINE = MOMENTS.map(
  ([moment, share]) =>
    `'{"moment":"${moment}","at":' || (started_ms + coalesce(run_ms, 500) * ${share}) || '}'`,
).join(` || ',' || `);

/** Functions of a job's number, in the session alone. `dice(g, n)` is a throw between 0 and 1 that is always the same. */
export const HELPERS = `
CREATE FUNCTION pg_temp.dice(g bigint, n bigint) RETURNS float8 IMMUTABLE LANGUAGE sql
  AS 'SELECT (hashint8extended(g, n) & 1048575) / 1048576.0::float8';
CREATE FUNCTION pg_temp.job_id(g bigint) RETURNS text IMMUTABLE LANGUAGE sql
  AS $$ SELECT 'job_' || substr(md5('job' || g), 1, 12) $$;
CREATE FUNCTION pg_temp.trace_id(g bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT md5('trace' || g) $$;
-- The first number of the batch that a job of n jobs belongs to, and its size: one of a fifth of all jobs, ten of a
-- fiftieth, a hundred of a thousandth.
CREATE FUNCTION pg_temp.batch_size(g bigint, n bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE WHEN g * 10 / n IN (4, 5) THEN n / 5 WHEN g * 10 / n IN (6, 7) THEN n / 50 WHEN g * 10 / n = 8 THEN n / 1000 END $$;
CREATE FUNCTION pg_temp.batch_start(g bigint, n bigint) RETURNS bigint IMMUTABLE LANGUAGE sql
  AS $$ SELECT g - g % pg_temp.batch_size(g, n) $$;
CREATE FUNCTION pg_temp.batch_id(g bigint, n bigint) RETURNS text IMMUTABLE LANGUAGE sql
  AS $$ SELECT 'batch_' || substr(md5('batch' || pg_temp.batch_start(g, n)), 1, 12) $$;
CREATE FUNCTION pg_temp.state(g bigint, n bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE WHEN g > n - 100 THEN 'queued' WHEN g > n - 200 THEN 'running'
    WHEN pg_temp.dice(g, 1) < 0.04 THEN 'failed' WHEN pg_temp.dice(g, 1) < 0.05 THEN 'timed_out'
    WHEN pg_temp.dice(g, 1) < 0.06 THEN 'cancelled' WHEN pg_temp.dice(g, 1) < 0.0602 THEN 'lost' ELSE 'succeeded' END $$;
`;

/** One statement of the filling; those with `each` are run for one range of jobs after the other. */
export interface Statement {
  readonly name: string;
  readonly each: boolean;
  readonly sql: string;
}

const NUMBERS = 'parameters p CROSS JOIN generate_series($1::bigint, $2::bigint) g';

const jobs = `
INSERT INTO jobs (id, tenant, name, type, pool, batch_id, line, labels, payload, trace_id, received_ms, accepted_ms, stay_ms,
  state, attempt, node, exit_code, cause, message, started_ms, ended_ms, run_ms)
SELECT id, 'default', name, 'script', pool, batch_id, line, ARRAY['team=' || team, 'customer=' || customer],
  '{"v":1,"tenant":"default","traceId":"' || trace_id || '","receivedAt":' || accepted_ms - 2 || ',"acceptedAt":' || accepted_ms ||
    coalesce(',"batchId":"' || batch_id || '","line":' || line, '') || ',"attemptBase":0,"postponed":0,"spec":' ||
    replace(replace(replace(replace('${SPEC}', 'NAMETEXT', name), 'POOLTEXT', pool), 'TEAMTEXT', team), 'CUSTOMERTEXT', customer) || '}',
  trace_id, accepted_ms - 2, accepted_ms, accepted_ms, state, CASE state WHEN 'queued' THEN 0 ELSE 1 END,
  CASE state WHEN 'queued' THEN NULL ELSE 'node-' || 1 + g % 20 END,
  CASE state WHEN 'succeeded' THEN 0 WHEN 'failed' THEN 1 + g % 3 END,
  CASE state WHEN 'failed' THEN CASE WHEN g % 5 = 0 THEN 'oom' ELSE 'exit' END WHEN 'lost' THEN 'node_lost'
    WHEN 'timed_out' THEN state WHEN 'cancelled' THEN state END,
  CASE WHEN state IN ('failed', 'timed_out', 'cancelled', 'lost') THEN 'It ended as ' || state || '; look at its log.' END,
  CASE state WHEN 'queued' THEN NULL ELSE started_ms END,
  CASE WHEN state IN ('queued', 'running') THEN NULL ELSE started_ms + run_ms END,
  CASE WHEN state IN ('queued', 'running') THEN NULL ELSE run_ms END
FROM (
  SELECT g, pg_temp.job_id(g) AS id, pg_temp.batch_id(g, p.jobs) AS batch_id,
    coalesce(g - pg_temp.batch_start(g, p.jobs) + 1, 0) AS line, pg_temp.state(g, p.jobs) AS state,
    CASE WHEN pg_temp.dice(g, 2) < 0.5 THEN 'resize-' || g WHEN pg_temp.dice(g, 2) < 0.9 THEN 'nightly report ' || g % 300
      ELSE 'import of customer ' || g % 5000 END AS name,
    CASE WHEN pg_temp.dice(g, 3) < 0.8 THEN 'default' WHEN pg_temp.dice(g, 3) < 0.999 THEN 'gpu' ELSE 'edge' END AS pool,
    'team-' || g % 10 AS team, 'c' || g % 5000 AS customer,
    pg_temp.trace_id(CASE WHEN pg_temp.batch_size(g, p.jobs) = p.jobs / 1000 AND g / (p.jobs / 1000) % 10 = 0
      THEN pg_temp.batch_start(g, p.jobs) ELSE g END) AS trace_id,
    coalesce(${at('pg_temp.batch_start(g, p.jobs)')} + g % pg_temp.batch_size(g, p.jobs) * 0.2, ${at('g')}) AS accepted_ms,
    ${at('g')} + 50 + 2000 * pg_temp.dice(g, 4) AS started_ms,
    100 + 60000 * pow(pg_temp.dice(g, 5), 4) AS run_ms
  FROM ${NUMBERS}
) made`;

const DEATH = `'{"attempt":1,"cause":"' || cause || '","certainty":"certain","phase":"main","exitCode":' || coalesce(exit_code::text, 'null')
  || ',"signal":null,"message":"' || message || '","evidence":{"memoryPeakBytes":81234567,"memoryLimitBytes":536870912,"events":[],'
  || '"logTail":["fetched image","stored frame 17","checksum differs"],"host":{"freeMemoryBytes":8123456789}},"at":"2026-01-01T00:00:00Z"}'`;

const attempts = `
INSERT INTO attempts (id, job_id, attempt, node, day, state, outcome, inferred, final, timeline, image, claimed_ms, started_ms, ended_ms)
SELECT id || '.1', id, 1, node, to_timestamp(started_ms / 1000)::date, state,
  CASE WHEN state = 'running' THEN NULL ELSE '{"state":"' || state || '","exitCode":' || coalesce(exit_code::text, 'null')
    || ',"death":' || CASE state WHEN 'succeeded' THEN 'null' ELSE ${DEATH} END || '}' END,
  false, state <> 'running', '[' || ${TIMELINE} || ']',
  '{"reference":"cronium/job-bash:local","id":"sha256:' || md5('image') || md5('layer') || '"}',
  started_ms - 40, started_ms, ended_ms
FROM ${NUMBERS} JOIN jobs ON jobs.id = pg_temp.job_id(g) WHERE jobs.attempt = 1`;

const attemptData = `
INSERT INTO attempt_data (attempt_id, job_id, attempt, output, output_bytes)
SELECT pg_temp.job_id(g) || '.1', pg_temp.job_id(g), 1, output, length(output)
FROM (SELECT g, '{"pictures":' || g % 50 || ',"bytes":' || g * 17 || ',"sums":["' || md5(g::text) || '"]}' AS output
  FROM ${NUMBERS} WHERE pg_temp.dice(g, 6) < 0.3 AND g < p.jobs - 200) made`;

const artifacts = `
INSERT INTO artifacts (attempt_id, path, job_id, attempt, bytes, sha256, content_type, created_ms, data)
SELECT pg_temp.job_id(g) || '.1', 'out/' || file || '.csv', pg_temp.job_id(g), 1, 992, md5(g::text) || md5(file::text),
  'text/csv', ${at('g')}, convert_to(repeat(md5(g::text), 31), 'UTF8')
FROM ${NUMBERS}, generate_series(1, 3) file WHERE g % 100 = 0`;

/** The first jobs of each hundredth have the large logs. */
const LOGS = `(SELECT g, job.id AS job_id, job.started_ms, to_timestamp(job.started_ms / 1000)::date AS day,
  CASE WHEN g % 1000 = 500 THEN 1 + p.large_chunks / greatest(1, p.jobs / 1000) ELSE 1 END AS chunks,
  (SELECT b FROM bodies b WHERE b.kind = CASE WHEN g % 1000 = 500 AND p.large_chunks > 0 THEN 'large' ELSE 'small' END) AS b
  FROM ${NUMBERS} JOIN jobs job ON job.id = pg_temp.job_id(g) WHERE job.started_ms IS NOT NULL) log`;

const attemptLogs = `
INSERT INTO attempt_logs (attempt_id, day, next_chunk, next_seq, stdout_end, stderr_end, omitted_bytes, complete)
SELECT job_id || '.1', day, chunks, 1 + chunks * (b).records, chunks * (b).records * 80, 0, 0, true FROM ${LOGS}`;

const logChunks = `
INSERT INTO log_chunks (day, attempt_id, chunk, first_seq, records, last, time_ms, body)
SELECT day, job_id || '.1', chunk, 1 + chunk * (b).records, (b).records, chunk = chunks - 1, started_ms + chunk * 1000, (b).body
FROM ${LOGS}, generate_series(0, chunks - 1) chunk`;

const spans = `
INSERT INTO spans (day, trace_id, span_id, parent_span_id, job_id, attempt_id, tenant, name, service, kind, start_ms, end_ms,
  status, attributes, events)
SELECT to_timestamp(${at('g')} / 1000)::date, trace_id, substr(md5(g || '-' || n), 1, 16),
  CASE n WHEN 1 THEN NULL ELSE substr(md5(g || '-' || n / 2), 1, 16) END, job.id, job.id || '.1', 'default',
  (ARRAY['fetch', 'decode', 'resize', 'encode', 'store'])[1 + n % 5], 'pictures', 'internal',
  job.started_ms + n * 10, job.started_ms + n * 10 + 8, CASE WHEN n % 40 = 0 THEN 'error' ELSE 'unset' END,
  '{"http.request.method":"GET","url.path":"/pictures/' || g || '/' || n || '","http.response.status_code":200}', '[]'
FROM ${NUMBERS} JOIN jobs job ON job.id = pg_temp.job_id(g), generate_series(1, p.spans_each) n WHERE job.started_ms IS NOT NULL`;

const logRecords = `
INSERT INTO log_records (day, id, tenant, trace_id, span_id, job_id, attempt_id, time_ms, severity, body, attributes)
SELECT to_timestamp(${at('g')} / 1000)::date, md5('record' || g), 'default', job.trace_id, substr(md5(g || '-1'), 1, 16),
  job.id, job.id || '.1', job.accepted_ms + 5, 'INFO', 'a picture was stored', '{}'
FROM ${NUMBERS} JOIN jobs job ON job.id = pg_temp.job_id(g) WHERE g % 10 = 0`;

const batches = `
INSERT INTO batches (id, tenant, name, accepted, rejected, complete, created_ms, event_ms)
SELECT batch_id, 'default', 'batch of ' || count(*), count(*), 0, true, min(accepted_ms), min(accepted_ms)
FROM jobs WHERE batch_id IS NOT NULL GROUP BY batch_id`;

const flows = `
INSERT INTO flows (id, tenant, name, record, trace_id, state, created_ms, ended_ms)
SELECT id, 'default', 'nightly ' || g % 20,
  '{"flowId":"' || id || '","tenant":"default","definition":{"name":"nightly","steps":[' || steps || ']},"traceId":"' || md5('trace' || g)
    || '","acceptedAt":' || at || ',"by":"local"}', md5('trace' || g), CASE WHEN g % 200 = 0 THEN 'failed' ELSE 'succeeded' END, at, at + 60000
FROM (SELECT g, 'flow_' || substr(md5('flow' || g), 1, 12) AS id, now_ms - week_ms * (1 - g / 20000.0) AS at,
  (SELECT string_agg('{"name":"s' || n || '","after":[],"job":${SPEC}}', ',') FROM generate_series(0, 4) n) AS steps
  FROM generate_series(1, 20000) g, parameters) made`;

const flowSteps = `
INSERT INTO flow_steps (flow_id, position, name, job_id, state, outcome)
SELECT 'flow_' || substr(md5('flow' || g), 1, 12), n, 's' || n, pg_temp.job_id(g * 5 + n), 'ended', 'succeeded'
FROM generate_series(1, 20000) g, generate_series(0, 4) n`;

const audit = `
INSERT INTO audit (at_ms, tenant, actor, action, target, from_address)
SELECT ${at('g')}, 'default', 'key:' || CASE WHEN g % 50000 = 7 THEN 'night-shift' ELSE 'submitter-' || g % 8 END,
  CASE WHEN g % 97 = 0 THEN 'job.cancel' ELSE 'job.submit' END, pg_temp.job_id(g), '10.0.0.' || g % 200
FROM ${NUMBERS} WHERE pg_temp.batch_size(g, p.jobs) IS NULL`;

const variables = `
INSERT INTO variables (tenant, key, value, version, updated_ms)
SELECT 'default', 'setting/' || g, '"' || md5(g::text) || '"', 1, now_ms FROM generate_series(1, 500) g, parameters`;

export const STATEMENTS: readonly Statement[] = [
  { name: 'jobs', each: true, sql: jobs },
  { name: 'batches', each: false, sql: batches },
  { name: 'attempts', each: true, sql: attempts },
  { name: 'outputs', each: true, sql: attemptData },
  { name: 'artifacts', each: true, sql: artifacts },
  { name: 'audit', each: true, sql: audit },
  { name: 'flows', each: false, sql: flows },
  { name: 'steps of flows', each: false, sql: flowSteps },
  { name: 'variables', each: false, sql: variables },
  { name: 'ends of logs', each: true, sql: attemptLogs },
  { name: 'logs', each: true, sql: logChunks },
  { name: 'log records', each: true, sql: logRecords },
  { name: 'spans', each: true, sql: spans },
];
