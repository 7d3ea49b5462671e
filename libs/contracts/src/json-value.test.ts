import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { jsonValue } from './json-value.ts';

test('takes what zod itself takes as JSON, and nothing else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.anything({ withDate: true, withBigInt: true })), (value) => {
      fc.pre(!hasProto(value));
      expect(jsonValue.safeParse(value).success).toBe(z.json().safeParse(value).success);
    }),
  );
});

test('a key that would set the prototype is refused', () => {
  expect(jsonValue.safeParse(JSON.parse('{"a":[{"__proto__":1}]}')).success).toBe(false);
});

function hasProto(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, one]) => key === '__proto__' || hasProto(one));
}
