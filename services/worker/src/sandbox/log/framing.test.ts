import { type LogRecord, MAX_RECORD_BYTES } from '@cronium/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameDecoder } from './frames.ts';
import { LineSplitter, LogFramer } from './framing.ts';
import { MarkerCutter } from './markers.ts';
import { EntryRestorer } from './stored.ts';

const NONCE = '0123456789abcdef0123456789abcdef';

/** Bytes with many newlines, carriage returns, record separators, and what is no UTF-8. */
const output = fc
  .array(
    fc.oneof(
      fc
        .constantFrom('\n', '\r\n', '\n\n', '\x1e', `\x1e${NONCE}`, `\x1e${NONCE} nothing`, 'é', 'text')
        .map((text) => Buffer.from(text)),
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts));
const cuts = fc.array(fc.nat({ max: 60 }), { minLength: 1, maxLength: 40 });

/** The bytes in pieces of the given lengths, in turn. */
function split(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = Math.max(1, lengths[turn % lengths.length] ?? 1);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

function joined(records: readonly LogRecord[]): Buffer {
  return Buffer.concat(
    records.flatMap(({ bytes, newline }) => (newline ? [bytes, Buffer.from('\n')] : [bytes])),
  );
}

const plain = (records: readonly LogRecord[]) =>
  records.map(({ bytes, newline }) => `${Buffer.from(bytes).toString('hex')}${newline ? '.' : ''}`);

describe('lines', () => {
  test('are the same however the bytes arrive, and together are what the job wrote', () => {
    fc.assert(
      fc.property(output, cuts, fc.integer({ min: 1, max: 20 }), (bytes, lengths, maxBytes) => {
        const read = (pieces: readonly Buffer[]) => {
          const splitter = new LineSplitter('stdout', maxBytes);
          return [...pieces.flatMap((piece) => splitter.push(piece, 1)), ...splitter.end()];
        };
        const records = read(split(bytes, lengths));
        expect(plain(records)).toEqual(plain(read([bytes])));
        expect(joined(records).equals(bytes)).toBe(true);
        expect(records.every((record) => record.bytes.length <= maxBytes)).toBe(true);
        expect(records.every((record) => !Buffer.from(record.bytes).includes('\n'))).toBe(true);
      }),
    );
  });

  test('of exactly the limit are one record, longer ones are pieces', () => {
    const line = (length: number) => {
      const splitter = new LineSplitter('stderr');
      const records = [
        ...splitter.push(Buffer.alloc(length, 'x'), 1),
        ...splitter.push(Buffer.from('\n'), 2),
        ...splitter.end(),
      ];
      return records.map(({ bytes, newline, stream }) => [bytes.length, newline, stream]);
    };
    expect(line(MAX_RECORD_BYTES)).toEqual([[MAX_RECORD_BYTES, true, 'stderr']]);
    expect(line(MAX_RECORD_BYTES + 1)).toEqual([
      [MAX_RECORD_BYTES, false, 'stderr'],
      [1, true, 'stderr'],
    ]);
    expect(line(0)).toEqual([[0, true, 'stderr']]);
  });
});

describe('markers', () => {
  const marker = fc
    .tuple(
      fc.constantFrom('boot', 'setup', 'preTask', 'main'),
      fc.constantFrom('start', 'exit', 'unrunnable'),
      fc.nat({ max: 255 }),
    )
    .map(([phase, event, code]) => ({ phase, event, code }));

  test("are cut out wherever they stand, and the job's bytes stay exactly as they were", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(output, marker), { maxLength: 6 }),
        output,
        cuts,
        (parts, last, lengths) => {
          const written = Buffer.concat([
            ...parts.flatMap(([bytes, { phase, event, code }]) => [
              bytes,
              Buffer.from(`\x1e${NONCE} ${phase} ${event} ${code}\n`),
            ]),
            last,
          ]);
          const cutter = new MarkerCutter(NONCE);
          const pieces = [...split(written, lengths).flatMap((piece) => cutter.push(piece)), ...cutter.end()];
          const bytes = pieces.flatMap((piece) => (piece.type === 'bytes' ? [piece.bytes] : []));
          const markers = pieces.flatMap((piece) => (piece.type === 'marker' ? [piece.marker] : []));
          expect(Buffer.concat(bytes).equals(Buffer.concat([...parts.map(([one]) => one), last]))).toBe(true);
          expect(markers).toEqual(parts.map(([, one]) => one));
        },
      ),
    );
  });

  test('do not count in the offsets from which a log is taken up', () => {
    const framer = new LogFramer({ nonce: NONCE, masked: [] }, { stdout: 4, stderr: 0 });
    const written = `\x1e${NONCE} boot start 0\n\x1e${NONCE} main start 0\none\ntwo\n`;
    const items = [...framer.push('stdout', Buffer.from(written), 5), ...framer.end(6)];
    expect(items).toEqual([
      { type: 'marker', marker: { phase: 'main', event: 'started', at: 5 } },
      { type: 'record', record: { stream: 'stdout', time: 5, bytes: Buffer.from('two'), newline: true } },
    ]);
  });
});

describe("Docker's frames", () => {
  test('are found however the bytes arrive', () => {
    const frame = fc.tuple(
      fc.constantFrom('stdout' as const, 'stderr' as const),
      fc.uint8Array({ maxLength: 50 }),
    );
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), cuts, (frames, lengths) => {
        const sent = frames.map(([stream, bytes]) => {
          const header = Buffer.from([stream === 'stdout' ? 1 : 2, 0, 0, 0, 0, 0, 0, bytes.length]);
          return Buffer.concat([header, bytes]);
        });
        const decoder = new FrameDecoder();
        const got = split(Buffer.concat(sent), lengths).flatMap((piece) => decoder.push(piece));
        expect(got.map(({ stream, bytes }) => [stream, Buffer.from(bytes)])).toEqual(
          frames.map(([stream, bytes]) => [stream, Buffer.from(bytes)]),
        );
      }),
    );
  });
});

describe("Docker's stored entries", () => {
  const PIECE = 16 * 1024;
  /** As Docker's copier cuts a stream into entries; `oldEngine` loses the newline after a line's last piece. */
  function entriesOf(bytes: Buffer, oldEngine: boolean): Buffer[] {
    const entries: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf('\n', at);
      const end = newline < 0 ? bytes.length : newline;
      const isLong = end - at >= PIECE;
      for (; end - at >= PIECE; at += PIECE) entries.push(bytes.subarray(at, at + PIECE));
      if (newline >= 0) entries.push(bytes.subarray(at, isLong && oldEngine ? end : end + 1));
      else if (end > at) entries.push(bytes.subarray(at, end));
      at = newline < 0 ? end : end + 1;
    }
    return entries;
  }
  const line = fc
    .tuple(
      fc.constantFrom(0, 1, 3, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7),
      fc.constantFrom('x', 'y'),
    )
    .map(([length, letter]) => Buffer.alloc(length, letter));
  const log = fc
    .tuple(fc.array(line, { maxLength: 8 }), line)
    .map(([lines, last]) => Buffer.concat([...lines.flatMap((one) => [one, Buffer.from('\n')]), last]));

  test('give back what was written, from engines of both kinds', () => {
    fc.assert(
      fc.property(log, fc.boolean(), (bytes, oldEngine) => {
        const restorer = new EntryRestorer();
        const restored = Buffer.concat(entriesOf(bytes, oldEngine).flatMap((entry) => restorer.push(entry)));
        const unsure = Buffer.concat([restored, Buffer.from(restorer.isNewlineUnsure ? '\n' : '')]);
        expect(restored.equals(bytes) || unsure.equals(bytes)).toBe(true);
      }),
    );
  });
});

describe('the report of the init', () => {
  const report = (how: string) =>
    `[INFO  tini (1)] Spawned child process '/.cronium/busybox' with pid '7'\n[INFO  tini (1)] Main child exited ${how}\n`;
  const EXITED = report("normally (with status '137')");
  const KILLED = report("with signal (with signal 'Killed')");
  const read = (bytes: Buffer, lengths: readonly number[], stream: 'stdout' | 'stderr' = 'stdout') => {
    const framer = new LogFramer({ nonce: NONCE, masked: [] }, { stdout: 0, stderr: 0 });
    const items = [
      ...split(bytes, lengths).flatMap((piece) => framer.push(stream, piece, 1)),
      ...framer.end(1),
    ];
    const records = items.flatMap((item) => (item.type === 'record' ? [item.record] : []));
    return {
      text: joined(records),
      ends: items.flatMap((item) => (item.type === 'main_end' ? [item.how] : [])),
    };
  };

  test('is cut off the end of standard output, however it arrives, and nothing else is', () => {
    const own = fc.oneof(
      output,
      fc.constantFrom(EXITED, EXITED.slice(0, 40), `${KILLED}x`, '[').map(Buffer.from),
    );
    const how = fc.constantFrom(['exited', EXITED] as const, ['signalled', KILLED] as const);
    fc.assert(
      fc.property(own, how, cuts, (bytes, [end, text], lengths) => {
        const got = read(Buffer.concat([bytes, Buffer.from(text)]), lengths);
        expect(got.text.equals(bytes)).toBe(true);
        expect(got.ends).toEqual([end]);
      }),
    );
  });

  test('is the job’s own on standard error, in part, and before other output', () => {
    const long = Buffer.from(`${EXITED}${'x'.repeat(100_000)}`);
    expect(read(long, [1000])).toEqual({ text: long, ends: [] });
    expect(read(Buffer.from(EXITED), [9], 'stderr')).toEqual({ text: Buffer.from(EXITED), ends: [] });
    const part = Buffer.from(EXITED.slice(0, -3));
    expect(read(part, [9])).toEqual({ text: part, ends: [] });
  });

  test('may be followed by what an orphan still wrote', () => {
    expect(read(Buffer.from(`a\n${KILLED}orphan\n`), [7])).toEqual({
      text: Buffer.from('a\norphan\n'),
      ends: ['signalled'],
    });
  });
});
