import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { editDistance, nearest } from './nearest.ts';

describe('nearest', () => {
  it('finds the name that was meant', () => {
    const known = ['CRONIUM_PORT', 'CRONIUM_HOST', 'CRONIUM_VALKEY_URL'];
    expect(nearest('CRONIUM_PROT', known)).toBe('CRONIUM_PORT');
    expect(nearest('CRONIUM_VALKY_URL', known)).toBe('CRONIUM_VALKEY_URL');
  });

  it('suggests nothing for a name that is far from all', () => {
    expect(nearest('CRONIUM_SOMETHING_ELSE', ['CRONIUM_PORT'])).toBeUndefined();
  });

  it('measures a distance: zero only for equals, the same both ways, at most the longer text', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
