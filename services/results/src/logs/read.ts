import { attemptIdOf, decompressRecords, type LogRecord } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import type { Changes } from '../live/changes.ts';
import { logStanding, readChunks } from '../queries/logs-read.ts';

/** What of a job's log to read. */
export interface LogRequest {
  readonly jobId: string;
  readonly attempt: number;
  readonly stream: 'stdout' | 'stderr' | 'fleet' | undefined;
  /** Only records behind this one. */
  readonly after: number;
  /** Go on until the attempt's log is complete. */
  readonly follow: boolean;
  /** At most so many records. */
  readonly limit?: number | undefined;
  readonly signal: AbortSignal;
}

/** A record with its number. */
export interface NumberedRecord {
  readonly seq: number;
  readonly record: LogRecord;
}

/** Silence is broken after so long, so that both ends notice a dead connection. */
const HEARTBEAT_MS = 15_000;

/**
 * Reads records in order, chunk by chunk, as fast as the reader takes them: one chunk is in memory at a time. An empty
 * list is a heartbeat. What retention has dropped of the log of a long job is one notice. Ends without an error when the
 * signal aborts.
 */
export async function* readLog(
  { db, changes }: { db: Kysely<Database>; changes: Changes },
  request: LogRequest,
): AsyncGenerator<readonly NumberedRecord[]> {
  const { jobId, attempt, signal } = request;
  const attemptId = attemptIdOf(jobId, attempt);
  using news = new News(changes, jobId);
  let [afterSeq, afterChunk, fromDay] = [request.after, -1, ''];
  let left = request.limit ?? Number.POSITIVE_INFINITY;
  while (!signal.aborted) {
    news.reset();
    const standing = await withRetry(() => logStanding(db, { jobId, attempt, attemptId }));
    const days = standing.days.filter((day) => day >= fromDay);
    const at = { attemptId, days, afterSeq, afterChunk };
    for await (const { day, chunk, first_seq, body } of readChunks(db, at)) {
      const stored = decompressRecords(body);
      const records = [
        ...dropped({ afterSeq, firstSeq: first_seq, time: stored[0]?.time ?? 0 }),
        ...numbered(stored, first_seq).filter(({ seq }) => seq > afterSeq),
      ];
      [fromDay, afterChunk] = [day, chunk];
      afterSeq = Math.max(afterSeq, records.at(-1)?.seq ?? 0);
      const wanted = records.filter(({ record }) => isWanted(record, request.stream)).slice(0, left);
      left -= wanted.length;
      if (wanted.length > 0) yield wanted;
      if (signal.aborted || left <= 0) return;
    }
    if (standing.over || !request.follow) return;
    if (!(await news.wait(HEARTBEAT_MS, signal))) yield [];
  }
}

/** Chunks leave no gap, so what is missing between two was dropped; the last of its numbers says so. */
function dropped(gap: { afterSeq: number; firstSeq: number; time: number }): NumberedRecord[] {
  const lines = gap.firstSeq - gap.afterSeq - 1;
  if (lines <= 0) return [];
  const text = `[cronium] ${lines} lines before this are past retention and were dropped (CRONIUM_RETENTION_DAYS).`;
  const record = {
    stream: 'stdout',
    time: gap.time,
    bytes: Buffer.from(text),
    newline: true,
    notice: true,
  } as const;
  return [{ seq: gap.firstSeq - 1, record }];
}

function numbered(records: readonly LogRecord[], firstSeq: number): NumberedRecord[] {
  return records.map((record, index) => ({ seq: firstSeq + index, record }));
}

/** Is the record of the stream? Notices of the fleet are of neither of the job's own. */
export function isWanted(record: LogRecord, stream: LogRequest['stream']): boolean {
  if (stream === undefined) return true;
  return record.notice ? stream === 'fleet' : record.stream === stream;
}

/** Remembers that there was news of a job, until it is asked. */
class News implements Disposable {
  readonly #stop: () => void;
  #there = false;
  #wake: (() => void) | undefined;

  constructor(changes: Changes, jobId: string) {
    this.#stop = changes.onJob(jobId, () => {
      this.#there = true;
      this.#wake?.();
    });
  }

  /** Call it before looking: news that come while one looks are kept. */
  reset(): void {
    this.#there = false;
  }

  /** Waits for news, for a time, or until the signal aborts. Returns whether there were news. */
  async wait(milliseconds: number, signal: AbortSignal): Promise<boolean> {
    if (this.#there || signal.aborted) return true;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    const timer = setTimeout(resolve, milliseconds);
    const stop = () => resolve();
    signal.addEventListener('abort', stop, { once: true });
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
    this.#wake = undefined;
    return this.#there || signal.aborted;
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
