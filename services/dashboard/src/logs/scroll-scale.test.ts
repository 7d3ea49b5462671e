import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentHeight, furthest, offsetAfterScroll, scrollTopOf, TALLEST } from './scroll-scale.ts';

const anySizes = fc.record({
  rows: fc.oneof(fc.nat(1000), fc.nat(50_000_000)),
  rowHeight: fc.constantFrom(20, 28),
  view: fc.integer({ min: 50, max: 2000 }),
});
const lastTop = (sizes: { rows: number; rowHeight: number; view: number }) =>
  contentHeight(sizes) - sizes.view;

test('however many rows there are, no browser is asked for more height than it has, and both ends are reached', () => {
  fc.assert(
    fc.property(anySizes, fc.double({ min: 0, max: 1, noNaN: true }), (sizes, from) => {
      const far = furthest(sizes);
      expect(contentHeight(sizes)).toBeLessThanOrEqual(Math.max(TALLEST, sizes.view));
      const before = { offset: from * far, scrollTop: scrollTopOf(from * far, sizes) };
      expect(offsetAfterScroll(before, 0, sizes)).toBe(0);
      if (lastTop(sizes) > 0) expect(offsetAfterScroll(before, lastTop(sizes), sizes)).toBe(far);
      expect(scrollTopOf(far, sizes)).toBeCloseTo(lastTop(sizes), 3);
    }),
  );
});

test('a small movement moves the rows by as many pixels, a large one to the same share of them', () => {
  const sizes = { rows: 10_000_000, rowHeight: 20, view: 500 };
  const far = furthest(sizes);
  const before = { offset: far / 2, scrollTop: scrollTopOf(far / 2, sizes) };
  expect(offsetAfterScroll(before, before.scrollTop + 100, sizes)).toBeCloseTo(before.offset + 100, 3);
  expect(offsetAfterScroll(before, lastTop(sizes) / 4, sizes)).toBeCloseTo(far / 4, 0);
});

test('no scroll leaves the rows', () => {
  fc.assert(
    fc.property(anySizes, fc.nat(), fc.integer({ min: -100, max: 2 * TALLEST }), (sizes, from, to) => {
      const before = { offset: Math.min(from, furthest(sizes)), scrollTop: Math.min(from, lastTop(sizes)) };
      const offset = offsetAfterScroll(before, to, sizes);
      expect(offset).toBeGreaterThanOrEqual(0);
      expect(offset).toBeLessThanOrEqual(furthest(sizes));
    }),
  );
});
