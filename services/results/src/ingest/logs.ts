import { type LogAcks, type LogChunk, parseAttemptId } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import { dayOf, type Partitions } from '../db/partitions.ts';
import { withRetry } from '../db/retry.ts';
import type { AttemptLogsTable, Database } from '../db/schema.ts';
import { appendRuns, insertChunks, lockPositions, writePositions } from '../queries/logs-write.ts';
import { notify } from '../queries/notify.ts';
import { enterDay, runOf, takeInOrder } from './log-order.ts';

/** Where chunks are stored. */
export interface LogStore {
  readonly db: Kysely<Database>;
  readonly partitions: Partitions;
}

/**
 * Stores chunks of any attempts. A chunk that is stored already is skipped; one that would leave a gap is not taken: the
 * answer names the chunk to send next. When this resolves all of it is on disk. A chunk is stored under the day on which it
 * comes: that day's table is there, however long ago the log began.
 */
export async function ingestLogs(
  { db, partitions }: LogStore,
  chunks: readonly LogChunk[],
  nowMs: number = Date.now(),
): Promise<LogAcks> {
  const today = dayOf(nowMs);
  return await partitions.storing('log_chunks', [today], () => storeLogs(db, chunks, today));
}

async function storeLogs(db: Kysely<Database>, chunks: readonly LogChunk[], today: string): Promise<LogAcks> {
  const byAttempt = groupByAttempt(chunks);
  const runs = [...byAttempt.values()].flatMap((own) => runOf(own, today) ?? []);
  const appended = await withRetry(() => appendRuns(db, runs));
  const next = new Map(
    runs.flatMap(({ position }) =>
      appended.has(position.attempt_id) ? [[position.attempt_id, position.next_chunk] as const] : [],
    ),
  );
  const others = new Map([...byAttempt].filter(([id]) => !next.has(id)));
  for (const [id, at] of await mergeLogs(db, others, today)) next.set(id, at);
  return {
    acks: [...byAttempt.keys()].map((attemptId) => ({ attemptId, nextChunk: next.get(attemptId) ?? 0 })),
  };
}

/**
 * Stores what of the chunks is missing, in one transaction.
 * @returns the chunk that each attempt is to send next
 */
async function mergeLogs(
  db: Kysely<Database>,
  byAttempt: ReadonlyMap<string, readonly LogChunk[]>,
  today: string,
): Promise<Map<string, number>> {
  if (byAttempt.size === 0) return new Map();
  return await withRetry(() =>
    db.transaction().execute(async (trx) => {
      const positions = await lockPositions(trx, startsOf(byAttempt, today));
      const taken: { day: string; chunk: LogChunk }[] = [];
      for (const [attemptId, own] of byAttempt) {
        const position = positions.get(attemptId);
        if (position === undefined) continue;
        const following = takeInOrder(position, own);
        if (following.length === 0) continue;
        const day = enterDay(position, today);
        taken.push(...following.map((chunk) => ({ day, chunk })));
      }
      await insertChunks(trx, taken);
      const changed = [...new Set(taken.map(({ chunk }) => chunk.header.attemptId))];
      await writePositions(
        trx,
        changed.flatMap((id) => positions.get(id) ?? []),
      );
      await notify(trx, [...new Set(changed.map((id) => parseAttemptId(id).jobId))]);
      return new Map([...positions].map(([id, { next_chunk }]) => [id, next_chunk]));
    }),
  );
}

function groupByAttempt(chunks: readonly LogChunk[]): Map<string, LogChunk[]> {
  const groups = Map.groupBy(chunks, ({ header }) => header.attemptId);
  for (const group of groups.values()) group.sort((a, b) => a.header.chunk - b.header.chunk);
  return groups;
}

/** The positions of attempts that are new: nothing is stored. */
function startsOf(groups: ReadonlyMap<string, readonly LogChunk[]>, today: string): AttemptLogsTable[] {
  return [...groups.keys()].map((attempt_id) => ({
    attempt_id,
    day: today,
    later_days: [],
    next_chunk: 0,
    next_seq: 1,
    stdout_end: 0,
    stderr_end: 0,
    omitted_bytes: 0,
    complete: false,
  }));
}
