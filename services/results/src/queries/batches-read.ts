import { TERMINAL_STATES } from '@cronium/contracts';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { BatchesTable, Database } from '../db/schema.ts';
import { type BatchTallies, Steps, talliesOfBatches } from './tallies.ts';

export type BatchRow = Selectable<BatchesTable>;

export async function getBatch(
  db: Kysely<Database>,
  tenant: string,
  id: string,
): Promise<BatchRow | undefined> {
  return await db
    .selectFrom('batches')
    .selectAll()
    .where('id', '=', id)
    .where('tenant', '=', tenant)
    .executeTakeFirst();
}

/** A page of batches, newest first. */
export async function listBatches(
  db: Kysely<Database>,
  {
    tenant,
    limit,
    after,
  }: { tenant: string; limit: number; after?: { createdMs: number; id: string } | undefined },
): Promise<BatchRow[]> {
  let query = db.selectFrom('batches').selectAll().where('tenant', '=', tenant);
  if (after !== undefined) {
    query = query.where(sql<boolean>`(created_ms, id) < (${after.createdMs}::double precision, ${after.id})`);
  }
  return await query.orderBy('created_ms', 'desc').orderBy('id', 'desc').limit(limit).execute();
}

/** How the jobs of a batch stand. */
export interface BatchNumbers {
  readonly counts: ReadonlyMap<string, number>;
  readonly firstStartMs: number | null;
  readonly lastEndMs: number | null;
  /** Of the time that its ended jobs ran. */
  readonly run: Steps;
}

/** How the jobs of some batches stand, by the batches' ids. */
export async function batchNumbers(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<Map<string, BatchNumbers>> {
  const known = new Map((await talliesOfBatches(db, ids)).map((one) => [one.scope, one]));
  return new Map(ids.map((id) => [id, numbersOf(known.get(id))]));
}

const STATE = 'state:';

function numbersOf(tallies: BatchTallies | undefined): BatchNumbers {
  const { counts = {}, low = null, high = null } = tallies ?? {};
  const states = Object.entries(counts).filter(([what]) => what.startsWith(STATE));
  return {
    counts: new Map(states.map(([what, n]) => [what.slice(STATE.length), n])),
    firstStartMs: low,
    lastEndMs: high,
    run: Steps.of('run', counts),
  };
}

/** An ended job of a batch with its output (JSON text). */
export interface EndedJob {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly exit_code: number | null;
  readonly attempt: number;
  readonly started_ms: number | null;
  readonly ended_ms: number | null;
  readonly line: number;
  output: string | null;
  readonly output_bytes: number;
}

const PAGE = 500;
/** Larger outputs are read one by one, so that a page stays small. */
const INLINE_BYTES = 16 * 1024;

/** The ended jobs of a batch by line, read page by page: memory does not grow with the batch. */
export async function* endedJobs(
  db: Kysely<Database>,
  { tenant, batchId }: { tenant: string; batchId: string },
): AsyncGenerator<EndedJob> {
  let after = { line: -1, id: '' };
  for (;;) {
    const { rows } = await sql<EndedJob>`
      SELECT j.id, j.name, j.state, j.exit_code, j.attempt, j.started_ms, j.ended_ms, j.line,
        coalesce(d.output_bytes, 0) AS output_bytes,
        CASE WHEN d.output_bytes <= ${INLINE_BYTES} THEN d.output END AS output
      FROM jobs j LEFT JOIN attempt_data d ON d.attempt_id = j.id || '.' || j.attempt
      WHERE j.batch_id = ${batchId} AND j.tenant = ${tenant} AND j.state = ANY(${[...TERMINAL_STATES]}::text[])
        AND (j.line, j.id) > (${after.line}::integer, ${after.id})
      ORDER BY j.line, j.id LIMIT ${PAGE}`.execute(db);
    for (const row of rows) {
      if (row.output_bytes > INLINE_BYTES) row.output = await outputOf(db, `${row.id}.${row.attempt}`);
      yield row;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = { line: last.line, id: last.id };
  }
}

async function outputOf(db: Kysely<Database>, attemptId: string): Promise<string | null> {
  const row = await db
    .selectFrom('attempt_data')
    .select('output')
    .where('attempt_id', '=', attemptId)
    .executeTakeFirst();
  return row?.output ?? null;
}

/** Payloads are up to 1 MiB each. */
const PAYLOAD_PAGE = 100;

/** The payloads of a batch's jobs by line, those in one state if it is given. */
export async function* batchPayloads(
  db: Kysely<Database>,
  { tenant, batchId, state }: { tenant: string; batchId: string; state?: string | undefined },
): AsyncGenerator<{ jobId: string; state: string; attempts: number; payload: unknown }> {
  let after = { line: -1, id: '' };
  for (;;) {
    let query = db
      .selectFrom('jobs')
      .select(['id', 'line', 'state', 'attempt', 'payload'])
      .where('batch_id', '=', batchId)
      .where('tenant', '=', tenant)
      .where(sql<boolean>`(line, id) > (${after.line}::integer, ${after.id})`);
    if (state !== undefined) query = query.where('state', '=', state);
    const rows = await query.orderBy('line').orderBy('id').limit(PAYLOAD_PAGE).execute();
    for (const row of rows) {
      yield { jobId: row.id, state: row.state, attempts: row.attempt, payload: JSON.parse(row.payload) };
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAYLOAD_PAGE) return;
    after = { line: last.line, id: last.id };
  }
}
