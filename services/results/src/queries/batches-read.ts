import { TERMINAL_STATES } from '@cronium/contracts';
import { type Kysely, type Selectable, sql } from 'kysely';
import type { BatchesTable, Database } from '../db/schema.ts';
import { type BatchTallies, talliesOfBatches } from './tallies.ts';
import { Steps } from './tally-counts.ts';

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
  const known = await talliesOfBatches(db, ids);
  return new Map(ids.map((id) => [id, numbersOf(known.get(id))]));
}

function numbersOf(known: BatchTallies | undefined): BatchNumbers {
  return {
    counts: known?.tallies.allOf('state') ?? new Map(),
    firstStartMs: known?.low ?? null,
    lastEndMs: known?.high ?? null,
    run: known?.tallies.run ?? new Steps(),
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
  readonly output: string | null;
  readonly output_bytes: number;
}

const PAGE = 1000;
/** Larger outputs are read one by one, so that a page stays small. */
const INLINE_BYTES = 8 * 1024;

/** The ended jobs of a batch by line, read page by page: memory does not grow with the batch. */
export async function* endedJobs(
  db: Kysely<Database>,
  { tenant, batchId }: { tenant: string; batchId: string },
): AsyncGenerator<readonly EndedJob[]> {
  let after = { line: -1, id: '' };
  for (;;) {
    // One more than a page tells whether there is another.
    const { rows } = await sql<EndedJob>`
      SELECT j.id, j.name, j.state, j.exit_code, j.attempt, j.started_ms, j.ended_ms, j.line,
        coalesce(d.output_bytes, 0) AS output_bytes,
        CASE WHEN d.output_bytes <= ${INLINE_BYTES} THEN d.output END AS output
      FROM jobs j LEFT JOIN attempt_data d ON d.attempt_id = j.id || '.' || j.attempt
      WHERE j.batch_id = ${batchId} AND j.tenant = ${tenant} AND j.state = ANY(${[...TERMINAL_STATES]}::text[])
        AND (j.line, j.id) > (${after.line}::integer, ${after.id})
      ORDER BY j.line, j.id LIMIT ${PAGE + 1}`.execute(db);
    const page = rows.slice(0, PAGE);
    yield* withLargeOutputs(db, page);
    const last = page.at(-1);
    if (last === undefined || rows.length <= PAGE) return;
    after = { line: last.line, id: last.id };
  }
}

/** The page in parts of which each ends with a large output, so that one of them is in memory at a time. */
async function* withLargeOutputs(
  db: Kysely<Database>,
  page: readonly EndedJob[],
): AsyncGenerator<readonly EndedJob[]> {
  let from = 0;
  for (const [index, row] of page.entries()) {
    if (row.output_bytes <= INLINE_BYTES) continue;
    yield [...page.slice(from, index), { ...row, output: await outputOf(db, `${row.id}.${row.attempt}`) }];
    from = index + 1;
  }
  yield page.slice(from);
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

/** What a producer puts into the queue again, and how its job stands. */
export interface JobPayload {
  readonly jobId: string;
  readonly state: string;
  readonly attempts: number;
  readonly payload: unknown;
}

/** The payloads of a batch's jobs by line, those in one state if it is given. */
export async function* batchPayloads(
  db: Kysely<Database>,
  { tenant, batchId, state }: { tenant: string; batchId: string; state?: string | undefined },
): AsyncGenerator<readonly JobPayload[]> {
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
    yield rows.map((row) => ({
      jobId: row.id,
      state: row.state,
      attempts: row.attempt,
      payload: JSON.parse(row.payload),
    }));
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAYLOAD_PAGE) return;
    after = { line: last.line, id: last.id };
  }
}
