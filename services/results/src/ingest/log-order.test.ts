import type { LogChunk, LogChunkHeader } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { takeInOrder } from './log-order.ts';

const HEADER: LogChunkHeader = {
  ...{ attemptId: 'job_abcdefghijkl.1', day: '2026-01-01', chunk: 0, firstSeq: 1, records: 2 },
  ...{ stdoutEnd: 8, stderrEnd: 0, omittedBytes: 0, rawBytes: 8, last: false, time: 0 },
};
const chunk = (header: Partial<LogChunkHeader>): LogChunk => ({
  header: { ...HEADER, ...header },
  body: Buffer.alloc(0),
});
const start = () => ({
  ...{ attempt_id: HEADER.attemptId, day: '', later_days: [], next_chunk: 0, next_seq: 1 },
  ...{ stdout_end: 0, stderr_end: 0, omitted_bytes: 0, complete: false },
});

test('chunks are taken by number, once each', () => {
  const [first, second] = [chunk({}), chunk({ chunk: 1, firstSeq: 3 })];
  const position = start();
  expect(takeInOrder(position, [second, first, first, second])).toEqual([first, second]);
  expect(position).toMatchObject({ next_chunk: 2, next_seq: 5 });
});

test('a chunk that counts on another before it than the one that is stored is not taken', () => {
  const position = start();
  const claimed = chunk({ records: 0 });
  expect(takeInOrder(position, [claimed, chunk({ chunk: 1, firstSeq: 3 })])).toEqual([claimed]);
  expect(position).toMatchObject({ next_chunk: 1, next_seq: 1 });
});
