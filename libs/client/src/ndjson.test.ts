import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readChunks, readLines } from './ndjson.ts';

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : (sizes[i % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

test('lines come out whole wherever the bytes are cut', async () => {
  const text = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', ' ', '\r') }), {
    minLength: 1,
  });
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.array(fc.integer({ min: 1, max: 7 })),
      fc.boolean(),
      async (lines, sizes, ending) => {
        const bytes = new TextEncoder().encode(lines.join('\n') + (ending ? '\n' : ''));
        const expected = ending || lines.at(-1) !== '' ? lines : lines.slice(0, -1);
        expect(await Array.fromAsync(readLines(cut(bytes, sizes)))).toEqual(expected);
      },
    ),
  );
});

test('a stream that has gone silent fails, and is cancelled', async () => {
  let cancelled = false;
  const silent = new ReadableStream<Uint8Array>({
    cancel() {
      cancelled = true;
    },
  });
  await expect(Array.fromAsync(readChunks(silent, { idleMs: 20 }))).rejects.toThrow('nothing came for 20 ms');
  expect(cancelled).toBe(true);
});
