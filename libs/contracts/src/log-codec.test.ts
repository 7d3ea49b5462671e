import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  compressRecords,
  decodeChunks,
  decodeRecords,
  decompressRecords,
  encodeChunks,
  encodeRecords,
  type LogChunk,
  LogFormatError,
  type LogRecord,
} from './log-codec.ts';

const record: fc.Arbitrary<LogRecord> = fc
  .record({
    stream: fc.constantFrom('stdout' as const, 'stderr' as const),
    time: fc.double({ min: 0, max: 4e12, noNaN: true }),
    bytes: fc.uint8Array({ maxLength: 300 }),
    newline: fc.boolean(),
    notice: fc.boolean(),
  })
  .map(({ notice, ...rest }) => (notice ? { ...rest, notice } : rest));

const plain = (records: readonly LogRecord[]) => records.map((each) => ({ ...each, bytes: [...each.bytes] }));

const chunkOf = (body: Uint8Array, chunk: number): LogChunk => ({
  header: {
    attemptId: 'job_abcdefghijkl.1',
    day: '2026-01-31',
    chunk,
    firstSeq: 1,
    records: 1,
    stdoutEnd: 10,
    stderrEnd: 0,
    omittedBytes: 0,
    rawBytes: body.length,
    last: false,
    time: 1,
  },
  body,
});

test('records come back exactly, compressed or not', () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 30 }), (records) => {
      const raw = encodeRecords(records);
      expect(plain(decodeRecords(raw))).toEqual(plain(records));
      expect(plain(decompressRecords(compressRecords(raw)))).toEqual(plain(records));
    }),
  );
});

test('chunks come back exactly', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), (bodies) => {
      const chunks = bodies.map(chunkOf);
      const back = decodeChunks(encodeChunks(chunks));
      expect(back.map(({ header, body }) => ({ header, body: [...body] }))).toEqual(
        chunks.map(({ header, body }) => ({ header, body: [...body] })),
      );
    }),
  );
});

test('bytes cut off anywhere are refused, never read as something else', () => {
  const whole = encodeChunks([chunkOf(Buffer.from('abc'), 0)]);
  for (let length = 1; length < whole.length; length++) {
    expect(() => decodeChunks(whole.subarray(0, length))).toThrow(LogFormatError);
  }
  const raw = encodeRecords([{ stream: 'stdout', time: 1, bytes: Buffer.from('abc'), newline: true }]);
  for (let length = 1; length < raw.length; length++) {
    expect(() => decodeRecords(raw.subarray(0, length))).toThrow(LogFormatError);
  }
});

test('a body that is not zstd, and a header of another shape, are named', () => {
  expect(() => decompressRecords(Buffer.from('not zstd'))).toThrow(/cannot be decompressed/);
  const chunk = chunkOf(Buffer.from('x'), 0);
  const wrong = encodeChunks([{ ...chunk, header: { ...chunk.header, chunk: -1 } }]);
  expect(() => decodeChunks(wrong)).toThrow(/chunk/);
});
