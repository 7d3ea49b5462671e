import type { LogChunk } from '@cronium/contracts';
import type { AttemptLogsTable } from '../db/schema.ts';

/** Moves the position over the chunks that follow it without a gap, and returns those. */
export function takeInOrder(position: AttemptLogsTable, chunks: readonly LogChunk[]): LogChunk[] {
  const taken: LogChunk[] = [];
  for (const chunk of chunks) {
    const { header } = chunk;
    // By its number alone it could be one of a former writer, who had counted on another before it.
    const follows = header.chunk === position.next_chunk && header.firstSeq === position.next_seq;
    if (!follows || position.complete) continue;
    position.next_chunk += 1;
    position.next_seq = header.firstSeq + header.records;
    position.stdout_end = header.stdoutEnd;
    position.stderr_end = header.stderrEnd;
    position.omitted_bytes += header.omittedBytes;
    position.complete = header.last;
    taken.push(chunk);
  }
  return taken;
}

/**
 * The day under which the next chunks are stored, which the position keeps: today, but never one before that of the chunks
 * before them, so that the days in their order have the chunks in theirs.
 */
export function enterDay(position: AttemptLogsTable, today: string): string {
  const newest = position.later_days.at(-1) ?? position.day;
  if (today <= newest) return newest;
  position.later_days = [...position.later_days, today];
  return today;
}

/** Chunks of one attempt that follow each other without a gap. */
export interface LogRun {
  readonly chunks: readonly LogChunk[];
  /** Where the log stands before them, if they are to be appended. */
  readonly first: Pick<LogChunk['header'], 'chunk' | 'firstSeq'>;
  /** Where it stands after them; its omitted bytes are theirs alone. */
  readonly position: AttemptLogsTable;
}

/** The run with which one attempt's chunks of today begin, sorted by number; `undefined` when there are none. */
export function runOf(chunks: readonly LogChunk[], today: string): LogRun | undefined {
  const first = chunks[0]?.header;
  if (first === undefined) return undefined;
  const position: AttemptLogsTable = {
    attempt_id: first.attemptId,
    day: today,
    later_days: [],
    next_chunk: first.chunk,
    next_seq: first.firstSeq,
    stdout_end: 0,
    stderr_end: 0,
    omitted_bytes: 0,
    complete: false,
  };
  return { chunks: takeInOrder(position, chunks), first, position };
}
