import { compressRecords, encodeRecords, type LogRecord } from '@cronium/contracts';

/** A chunk's body that many rows share. */
export interface LogBody {
  readonly kind: 'small' | 'large';
  readonly body: Buffer;
  readonly records: number;
}

const WORDS =
  'fetched stored resized image frame retry upload checksum worker shard commit page index cache'.split(' ');

/** What a short job writes, and a whole chunk of a long one. */
export function logBodies(): readonly LogBody[] {
  return [bodyOf('small', 40), bodyOf('large', 2600)];
}

function bodyOf(kind: LogBody['kind'], lines: number): LogBody {
  const random = seeded(7);
  const records = Array.from({ length: lines }, (_, index): LogRecord => {
    const words = Array.from({ length: 8 }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');
    const text = `${String(index).padStart(6, '0')} ${words} ${Math.floor(random() * 1e12).toString(36)}`;
    const stream = random() < 0.1 ? 'stderr' : 'stdout';
    return { stream, time: index * 5, bytes: Buffer.from(text), newline: true };
  });
  return { kind, body: compressRecords(encodeRecords(records)), records: lines };
}

/** Mulberry32: the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
