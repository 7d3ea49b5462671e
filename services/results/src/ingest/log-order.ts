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
