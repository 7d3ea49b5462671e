import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { newJobId } from '@cronium/contracts';
import pg from 'pg';
import type { Figure } from './figure.ts';
import { chunksOf, LINES_OF_REQUEST, newAttempts, OUTCOMES_OF_REQUEST, updateOf } from './ingest-load.ts';
import { median } from './measure.ts';
import type { Stage, StagedService } from './stage.ts';

const CLIENTS = 2;
const REQUESTS = { logs: 30, outcomes: 12 } as const;
const SIZE = { logs: LINES_OF_REQUEST, outcomes: OUTCOMES_OF_REQUEST } as const;
type Kind = keyof typeof REQUESTS;

/** One run, in lines and outcomes a second. */
export interface IngestRun {
  readonly logs: number;
  readonly bareLogs: number;
  readonly outcomes: number;
  readonly bareOutcomes: number;
}

/** Sends logs and outcomes from processes of their own, and inserts the same with nothing but SQL. */
export async function measureIngest(stage: Stage, results: StagedService): Promise<IngestRun> {
  return {
    bareLogs: await bareRate(stage, 'logs'),
    logs: await clientsRate(stage, results, 'logs'),
    bareOutcomes: await bareRate(stage, 'outcomes'),
    outcomes: await clientsRate(stage, results, 'outcomes'),
  };
}

let clients = 0;

async function clientsRate(stage: Stage, results: StagedService, kind: Kind): Promise<number> {
  const children = Array.from({ length: CLIENTS }, () =>
    spawn(
      process.execPath,
      [join(import.meta.dirname, 'ingest-client.ts'), kind, `bench-${++clients}`, String(REQUESTS[kind])],
      {
        env: { ...process.env, BENCH_VALKEY_URL: stage.valkeyUrl, BENCH_RESULTS_URL: results.url },
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    ),
  );
  const said = children.map(linesOf);
  await Promise.all(said.map((lines) => next(lines)));
  const startedAt = performance.now();
  for (const child of children) child.stdin?.write('go\n');
  await Promise.all(said.map((lines) => next(lines)));
  return (CLIENTS * REQUESTS[kind] * SIZE[kind]) / ((performance.now() - startedAt) / 1000);
}

function linesOf({ stdout }: ChildProcess): AsyncIterator<string> {
  if (stdout === null) throw new Error('a client has no output');
  return createInterface({ input: stdout })[Symbol.asyncIterator]();
}

async function next(lines: AsyncIterator<string>): Promise<string> {
  const { done, value } = await lines.next();
  if (done) throw new Error('a client ended before its time; its error stands above');
  return value;
}

const SETTINGS = '-c synchronous_commit=on';

/** The same rows in the same transactions, into tables with the same columns and indexes, by as many connections. */
async function bareRate({ databaseUrl }: Stage, kind: Kind): Promise<number> {
  const connect = () => new pg.Client({ connectionString: databaseUrl, options: SETTINGS });
  const admin = connect();
  await admin.connect();
  const { rows } = await admin.query("SELECT current_setting('fsync') AS fsync");
  if (rows[0]?.fsync !== 'on') throw new Error('PostgreSQL runs without fsync');
  await admin.query(`DROP TABLE IF EXISTS bare_logs, bare_jobs, bare_attempts;
    CREATE TABLE bare_logs (LIKE log_chunks INCLUDING ALL);
    CREATE TABLE bare_jobs (LIKE jobs INCLUDING ALL);
    CREATE TABLE bare_attempts (LIKE attempts INCLUDING ALL)`);
  const write = kind === 'logs' ? bareLogs : bareOutcomes;
  const connections = Array.from({ length: CLIENTS }, connect);
  await Promise.all(connections.map((client) => client.connect()));
  const work = connections.map((client) => ({ client, statements: write(REQUESTS[kind]) }));
  const startedAt = performance.now();
  await Promise.all(
    work.map(async ({ client, statements }) => {
      for (const transaction of statements) {
        await client.query('BEGIN');
        for (const [text, values] of transaction) await client.query(text, values);
        await client.query('COMMIT');
      }
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  await admin.query('DROP TABLE bare_logs, bare_jobs, bare_attempts');
  await Promise.all([admin, ...connections].map((client) => client.end()));
  return (CLIENTS * REQUESTS[kind] * SIZE[kind]) / seconds;
}

type Statement = [text: string, values: unknown[]];

function bareLogs(count: number): Statement[][] {
  const attempts = newAttempts(newJobId);
  return Array.from({ length: count }, (_, request) => {
    const rows = chunksOf(attempts, request).map(({ header, body }) => [
      header.day,
      header.attemptId,
      header.chunk,
      header.firstSeq,
      header.records,
      header.last,
      header.time,
      body,
    ]);
    return [insert('bare_logs (day, attempt_id, chunk, first_seq, records, last, time_ms, body)', rows)];
  });
}

function bareOutcomes(count: number): Statement[][] {
  return Array.from({ length: count }, () => {
    const updates = Array.from({ length: OUTCOMES_OF_REQUEST }, () => updateOf(newJobId(), 'bare'));
    const jobs = updates.map(({ jobId, payload }) => [
      jobId,
      payload.tenant,
      'report',
      'script',
      'default',
      0,
      ['team=billing'],
      JSON.stringify(payload),
      payload.traceId,
      payload.receivedAt,
      payload.acceptedAt,
      payload.acceptedAt,
      'succeeded',
      1,
      payload.acceptedAt + 250,
    ]);
    const attempts = updates.map(({ attemptId, jobId, node, day, outcome, timeline }) => [
      attemptId,
      jobId,
      1,
      node,
      day,
      'succeeded',
      JSON.stringify(outcome),
      false,
      true,
      JSON.stringify(timeline),
    ]);
    return [
      insert(
        'bare_jobs (id, tenant, name, type, pool, line, labels, payload, trace_id, received_ms, accepted_ms, stay_ms, state, attempt, ended_ms)',
        jobs,
      ),
      insert(
        'bare_attempts (id, job_id, attempt, node, day, state, outcome, inferred, final, timeline)',
        attempts,
      ),
    ];
  });
}

/** One INSERT of many rows. */
function insert(into: string, rows: readonly (readonly unknown[])[]): Statement {
  let place = 0;
  const values = rows.map((row) => `(${row.map(() => `$${++place}`).join(', ')})`);
  return [`INSERT INTO ${into} VALUES ${values.join(', ')}`, rows.flat()];
}

/** @param peak the most memory that results held, in bytes */
export function ingestFigures(runs: readonly IngestRun[], peak: number): Figure[] {
  const figure = (
    name: string,
    unit: string,
    atLeast: number,
    own: keyof IngestRun,
    bare: keyof IngestRun,
  ) => {
    const [values, baseline] = [runs.map((run) => run[own]), runs.map((run) => run[bare])];
    return {
      ...{ name, unit, value: median(values), runs: values },
      baseline: { name: 'bare INSERT', value: median(baseline), runs: baseline },
      target: { of: 'value' as const, atLeast },
    };
  };
  return [
    figure('log lines taken in durably', 'lines/s', 100_000, 'logs', 'bareLogs'),
    figure('job outcomes taken in durably', 'outcomes/s', 3000, 'outcomes', 'bareOutcomes'),
    { name: 'results, most memory meanwhile', unit: 'MB', value: peak / 1e6, runs: [peak / 1e6] },
  ];
}
