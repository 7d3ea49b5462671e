import type { LogChunk } from '@cronium/contracts';
import type { AttemptLogsTable } from '../db/schema.ts';

/** Moves the position over the chunks that follow it without a gap, and returns those. */
export function takeInOrder(position: AttemptLogsTable, chunks: readonly LogChunk[]): LogChunk[] {
  const taken: LogChunk[] = [];
  for (const chunk of chunks) {
    const { header } = chunk;
    if (header.chunk !== position.next_chunk || position.complete) continue;
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
