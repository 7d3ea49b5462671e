import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Turn } from './turn.ts';

const NONCE = '0123456789abcdef0123456789abcdef';
/** What the job may know. */
const HALF = NONCE.slice(0, 16);
const OTHER = 'f'.repeat(32);
const mark = (text: string, nonce = NONCE) => Buffer.from(`\x1e${nonce} ${text}\n`);

const own = fc
  .array(
    fc.oneof(
      fc.constantFrom('\n', '\x1e', `\x1e${NONCE.slice(0, 9)}`, 'text').map((text) => Buffer.from(text)),
      fc.constantFrom(mark('turn exit 0', OTHER), mark('turn exit 0', HALF), mark('turn clean 0', HALF)),
      fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts));
const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 });

function feed(turn: Turn, stream: 'stdout' | 'stderr', bytes: Buffer, lengths: readonly number[]): void {
  for (let at = 0, count = 0; at < bytes.length; count++) {
    const length = lengths[count % lengths.length] ?? 1;
    turn.take(stream, bytes.subarray(at, at + length), 1);
    at += length;
  }
}

function written(turn: Turn, stream: 'stdout' | 'stderr'): Buffer {
  const pieces = turn.drain();
  return Buffer.concat(
    pieces.flatMap((piece) => ('bytes' in piece && piece.stream === stream ? [piece.bytes] : [])),
  );
}

describe('a turn', () => {
  test('has exactly what was written between its marks, on each stream, however it arrives', () => {
    fc.assert(
      fc.property(own, own, cuts, fc.nat({ max: 255 }), (out, err, lengths, code) => {
        const turn = new Turn(NONCE);
        const end = mark(`turn exit ${code}`);
        feed(
          turn,
          'stdout',
          Buffer.concat([mark('main start 7', HALF), out, mark('turn oom 2'), end, mark('turn clean 0')]),
          lengths,
        );
        expect(turn.pid).toBe(7);
        expect([turn.end, turn.isClean]).toEqual([undefined, false]);
        expect(written(turn, 'stdout').equals(out)).toBe(true);
        feed(turn, 'stderr', Buffer.concat([mark('boot start 0'), err, end]), lengths);
        expect(written(turn, 'stderr').equals(err)).toBe(true);
        expect(turn.end).toEqual({ exitCode: code, how: 'exited', oomKills: 2, at: 1 });
        expect([turn.isForeign, turn.isClean, turn.isComplete]).toEqual([false, true, true]);
        expect(turn.pid).toBeUndefined();
      }),
    );
  });

  test('knows what is not its own: after its end, and before its beginning', () => {
    const turn = () => {
      const begun = new Turn(NONCE);
      begun.take('stderr', mark('boot start 0'), 1);
      begun.take('stdout', mark('main start 7'), 1);
      return begun;
    };
    const after = turn();
    after.take('stderr', Buffer.concat([mark('turn exit 0'), Buffer.from('late')]), 1);
    expect(after.isForeign).toBe(true);
    const before = new Turn(NONCE);
    before.take('stdout', Buffer.from('early'), 1);
    expect(before.isForeign).toBe(true);
    expect(turn().isForeign).toBe(false);
  });

  test('ends also when its program never came to a beginning', () => {
    const turn = new Turn(NONCE);
    turn.take('stderr', mark('boot start 0'), 1);
    turn.take('stdout', Buffer.concat([mark('turn exit 125'), mark('turn clean 0')]), 2);
    turn.take('stderr', mark('turn exit 125'), 3);
    expect(turn.end).toEqual({ exitCode: 125, how: 'exited', oomKills: 0, at: 2 });
    expect([turn.isForeign, turn.isClean, turn.drain()]).toEqual([false, true, []]);
  });

  test('that nobody reads is cut, without a hole', async () => {
    const turn = new Turn(NONCE, 10);
    turn.take('stdout', Buffer.concat([mark('main start 7'), Buffer.from('12345')]), 1);
    turn.take('stdout', Buffer.from('678901'), 1);
    turn.take('stdout', Buffer.from('2'), 1);
    expect(written(turn, 'stdout').toString()).toBe('12345');
    expect(turn.isComplete).toBe(false);
  });
});
