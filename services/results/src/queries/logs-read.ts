import { isTerminal, type JobState } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Where a reader of an attempt's log stands. */
export interface ReadPosition {
  readonly attemptId: string;
  readonly day: string;
  /** Only chunks with records behind this one. */
  readonly afterSeq: number;
  /** Only chunks behind this one; -1 for all. */
  readonly afterChunk: number;
}

const CHUNKS_EACH = 4;

/** The next few chunks. */
export async function nextChunks(db: Kysely<Database>, at: ReadPosition) {
  return await db
    .selectFrom('log_chunks')
    .select(['chunk', 'first_seq', 'body'])
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
  { attemptId, day, timeMs }: { attemptId: string; day: string; timeMs: number },
): Promise<number | undefined> {
  const own = db.selectFrom('log_chunks').where('day', '=', day).where('attempt_id', '=', attemptId);
  const row = await own
    .select((eb) => [
      eb.fn.max('chunk').filterWhere('time_ms', '<=', timeMs).as('before'),
      eb.fn.min('chunk').as('first'),
    ])
    .executeTakeFirst();
  return row?.before ?? row?.first ?? undefined;
}

/** How an attempt's log stands: the day under which it is stored, and whether any more of it will come. */
export interface LogStanding {
  readonly day: string | undefined;
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
    day: string | null;
    complete: boolean | null;
  }>`
    SELECT j.state, j.attempt AS newest, a.outcome IS NOT NULL AS ended, l.day, l.complete
    FROM (SELECT 1) one
    LEFT JOIN jobs j ON j.id = ${jobId}
    LEFT JOIN attempts a ON a.id = ${attemptId}
    LEFT JOIN attempt_logs l ON l.attempt_id = ${attemptId}`.execute(db);
  const row = rows[0];
  if (row === undefined || row.state === null) return { day: undefined, over: false };
  const superseded = (row.newest ?? 0) > attempt;
  // A job that ended in the queue, or another attempt of it, leaves nothing to wait for.
  const over = row.complete === true || row.ended || superseded || isTerminal(row.state);
  return { day: row.day ?? undefined, over };
}
