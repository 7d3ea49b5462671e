import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linesOf } from './lines.ts';

async function collect(chunks: readonly Uint8Array[], maxBytes = 1000) {
  const found: [number, string | undefined][] = [];
  for await (const lines of linesOf(
    (async function* () {
      yield* chunks;
    })(),
    maxBytes,
  )) {
    for (const { line, bytes } of lines) found.push([line, bytes?.toString()]);
  }
  return found;
}

describe('linesOf', () => {
  it('finds the same lines however the bytes are cut', async () => {
    const text = fc
      .array(fc.constantFrom('a', 'bcd', '\n', '\r\n', ' ', '\t', 'é', '0123456789'), { maxLength: 60 })
      .map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.array(fc.nat({ max: 8 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 12 }),
        async (whole, sizes, maxBytes) => {
          const bytes = Buffer.from(whole);
          const chunks: Buffer[] = [];
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = (sizes[i % sizes.length] ?? 0) + 1;
            chunks.push(bytes.subarray(at, at + size));
            at += size;
          }
          const expected = whole.split('\n').flatMap((line, i): [number, string | undefined][] => {
            const own = line.endsWith('\r') ? line.slice(0, -1) : line;
            if (Buffer.byteLength(own) > maxBytes) return [[i + 1, undefined]];
            return /^[ \t\r]*$/.test(own) ? [] : [[i + 1, own]];
          });
          expect(await collect(chunks, maxBytes)).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('holds no more than a line of pieces that came byte by byte', async () => {
    const slab = Buffer.alloc(64 * 1024, 'x');
    const pieces = Array.from({ length: 5000 }, (_, i) => slab.subarray(i, i + 1));
    expect(await collect([...pieces, Buffer.from('\nend')], 4000)).toEqual([
      [1, undefined],
      [2, 'end'],
    ]);
  });
});
