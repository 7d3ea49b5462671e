import { isTerminal, type JobState } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';

/** Where a reader of an attempt's log stands. */
export interface ReadPosition {
  readonly attemptId: string;
  /** The days to read, in order. Those past retention have nothing any more. */
  readonly days: readonly string[];
  /** Only chunks with records behind this one. */
  readonly afterSeq: number;
  /** Only chunks behind this one; -1 for all. */
  readonly afterChunk: number;
}

const CHUNKS_EACH = 4;

/** The chunks that follow, in order; a few of them are in memory at a time. */
export async function* readChunks(db: Kysely<Database>, at: ReadPosition) {
  let { afterChunk } = at;
  for (const day of at.days) {
    for (;;) {
      const chunks = await withRetry(() => nextChunks(db, { ...at, day, afterChunk }));
      yield* chunks;
      const last = chunks.at(-1);
      if (last === undefined) break;
      afterChunk = last.chunk;
    }
  }
}

async function nextChunks(db: Kysely<Database>, at: Omit<ReadPosition, 'days'> & { readonly day: string }) {
  return await db
    .selectFrom('log_chunks')
    .select(['day', 'chunk', 'first_seq', 'body'])
    .where('day', '=', at.day)
    .where('attempt_id', '=', at.attemptId)
    .where('chunk', '>', at.afterChunk)
    .where(sql<boolean>`first_seq + records > ${at.afterSeq + 1}`)
    .orderBy('chunk')
    .limit(CHUNKS_EACH)
    .execute();
}

/** The chunk that was begun last at or before a time, or the first one. */
export async function chunkAt(
  db: Kysely<Database>,
  { attemptId, days, timeMs }: { attemptId: string; days: readonly string[]; timeMs: number },
): Promise<number | undefined> {
  const own = db.selectFrom('log_chunks').where('day', 'in', days).where('attempt_id', '=', attemptId);
  const row = await own
    .select((eb) => [
      eb.fn.max('chunk').filterWhere('time_ms', '<=', timeMs).as('before'),
      eb.fn.min('chunk').as('first'),
    ])
    .executeTakeFirst();
  return row?.before ?? row?.first ?? undefined;
}

/** How an attempt's log stands: the days under which it is stored, in order, and whether any more of it will come. */
export interface LogStanding {
  readonly days: readonly string[];
  readonly over: boolean;
}

/** Read it before the chunks: what it says to be over is then read to its end. */
export async function logStanding(
  db: Kysely<Database>,
  { jobId, attempt, attemptId }: { jobId: string; attempt: number; attemptId: string },
): Promise<LogStanding> {
  const { rows } = await sql<{
    state: JobState | null;
    newest: number | null;
    ended: boolean;
    days: string[] | null;
    complete: boolean | null;
  }>`
    SELECT j.state, j.attempt AS newest, a.outcome IS NOT NULL AS ended, l.day || l.later_days AS days, l.complete
    FROM (SELECT 1) one
    LEFT JOIN jobs j ON j.id = ${jobId}
    LEFT JOIN attempts a ON a.id = ${attemptId}
    LEFT JOIN attempt_logs l ON l.attempt_id = ${attemptId}`.execute(db);
  const row = rows[0];
  if (row === undefined || row.state === null) return { days: [], over: false };
  const superseded = (row.newest ?? 0) > attempt;
  // A job that ended in the queue, or another attempt of it, leaves nothing to wait for.
  const over = row.complete === true || row.ended || superseded || isTerminal(row.state);
  return { days: row.days ?? [], over };
}
