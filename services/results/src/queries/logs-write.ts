import type { LogChunk } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import { names, recordset } from '../db/bulk.ts';
import type { AttemptLogsTable, Database } from '../db/schema.ts';
import type { LogRun } from '../ingest/log-order.ts';

const POSITION = {
  attempt_id: 'text',
  day: 'date',
  later_days: 'date[]',
  next_chunk: 'integer',
  next_seq: 'bigint',
  stdout_end: 'bigint',
  stderr_end: 'bigint',
  omitted_bytes: 'bigint',
  complete: 'boolean',
} as const;

/** How far some attempts' logs are stored, locked until the transaction ends; new ones begin as given. */
export async function lockPositions(
  db: Kysely<Database>,
  starts: readonly AttemptLogsTable[],
): Promise<Map<string, AttemptLogsTable>> {
  const rows = [...starts].sort((a, b) => (a.attempt_id < b.attempt_id ? -1 : 1));
  await sql`INSERT INTO attempt_logs (${names(POSITION)}) SELECT ${names(POSITION)}
    FROM ${recordset(POSITION, rows)} ON CONFLICT DO NOTHING`.execute(db);
  const locked = await db
    .selectFrom('attempt_logs')
    .selectAll()
    .where('attempt_id', '=', sql<string>`ANY(${rows.map((row) => row.attempt_id)}::text[])`)
    .orderBy('attempt_id')
    .forUpdate()
    .execute();
  return new Map(locked.map((row) => [row.attempt_id, row]));
}

/** Writes positions whose rows this transaction has locked. */
export async function writePositions(
  db: Kysely<Database>,
  positions: readonly AttemptLogsTable[],
): Promise<void> {
  if (positions.length === 0) return;
  await sql`UPDATE attempt_logs SET later_days = v.later_days, next_chunk = v.next_chunk, next_seq = v.next_seq, stdout_end = v.stdout_end,
      stderr_end = v.stderr_end, omitted_bytes = v.omitted_bytes, complete = v.complete
    FROM ${recordset(POSITION, positions)} WHERE attempt_logs.attempt_id = v.attempt_id`.execute(db);
}

function columnsOf({ attemptId, chunk, firstSeq, records, last, time }: LogChunk['header']) {
  return { attempt_id: attemptId, chunk, first_seq: firstSeq, records, last, time_ms: time };
}

/** Rows of one statement; each has 8 parameters of the 65,535 that a statement may have. */
const ROWS_EACH = 500;

/** Stores chunks; fails when a daily table is missing. */
export async function insertChunks(
  db: Kysely<Database>,
  chunks: readonly { readonly day: string; readonly chunk: LogChunk }[],
): Promise<void> {
  for (let at = 0; at < chunks.length; at += ROWS_EACH) {
    const rows = chunks.slice(at, at + ROWS_EACH).map(({ day, chunk: { header, body } }) => ({
      day,
      ...columnsOf(header),
      body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
    }));
    await db
      .insertInto('log_chunks')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  }
}

/**
 * Appends each run whose attempt's log stands where it begins, all in one statement, under the day of its position.
 * @returns the attempts whose runs were appended
 */
export async function appendRuns(db: Kysely<Database>, runs: readonly LogRun[]): Promise<Set<string>> {
  if (runs.length === 0) return new Set();
  const heads = runs.map(({ first, position }) => ({
    ...position,
    first_chunk: first.chunk,
    first_seq: first.firstSeq,
  }));
  let at = 0;
  const chunks = runs.flatMap((run) =>
    run.chunks.map(({ header, body }) => {
      const place = { at, bytes: body.length };
      at += body.length;
      return { ...columnsOf(header), ...place };
    }),
  );
  const bodies = Buffer.concat(
    runs.flatMap((run) => run.chunks.map(({ body }) => body)),
    at,
  );
  const { rows } = await sql<{ appended: string[] }>`
    SELECT intake_logs(${JSON.stringify(heads)}::json, ${JSON.stringify(chunks)}::json, ${bodies}::bytea) AS appended`.execute(
    db,
  );
  return new Set(rows[0]?.appended);
}
