import type { SpanView } from '@cronium/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { panned, rangeOf, ticks, traceRows, zoomed } from './tree.ts';

function span(
  spanId: string,
  parentSpanId: string | null,
  startMs = 0,
  endMs: number | null = null,
): SpanView {
  return {
    ...{ traceId: 'f'.repeat(32), spanId, parentSpanId, startMs, endMs },
    ...{ name: spanId, service: 'job', kind: 'internal', status: 'unset', attributes: {}, events: [] },
  };
}
const shape = (spans: SpanView[], closed: string[] = []) =>
  traceRows(spans, new Set(closed)).map(
    ({ span: { spanId }, depth, below }) => `${depth} ${spanId} ${below}`,
  );

describe('the rows of a trace', () => {
  const spans = [
    span('late', 'root', 9),
    span('leaf', 'early', 3),
    span('root', null),
    span('early', 'root', 1),
  ];

  test('a parent stands before its children, siblings by their start', () => {
    expect(shape(spans)).toEqual(['0 root 3', '1 early 1', '2 leaf 0', '1 late 0']);
  });

  test('what is below a closed span is counted, not shown', () => {
    expect(shape(spans, ['early'])).toEqual(['0 root 3', '1 early 1', '1 late 0']);
  });

  test('a span without its parent stands at the top, and so does a ring', () => {
    expect(shape([span('orphan', 'away'), span('own', 'own')])).toEqual(['0 orphan 0', '0 own 0']);
    expect(shape([span('a', 'b'), span('b', 'a')])).toEqual(['0 a 1', '1 b 0']);
  });

  test('whatever the parents are, every span is shown once', () => {
    const parents = fc.array(fc.option(fc.nat(15)), { maxLength: 12 });
    fc.assert(
      fc.property(parents, (all) => {
        const any = all.map((parent, at) => span(`s${at}`, parent === null ? null : `s${parent}`, at));
        const shown = traceRows(any, new Set()).map((row) => row.span.spanId);
        expect(shown.toSorted()).toEqual(any.map(({ spanId }) => spanId).toSorted());
      }),
    );
  });
});

describe('the range of a trace', () => {
  const whole = { from: 1000, to: 2000 };
  const part = fc
    .tuple(fc.double({ min: 1000, max: 1999, noNaN: true }), fc.double({ min: 0.01, max: 1, noNaN: true }))
    .map(([from, share]) => ({ from, to: from + (2000 - from) * share }));

  test('it lasts from the first start to the last end; a span that goes on lasts until now', () => {
    expect(rangeOf([span('a', null, 5, 9), span('b', null, 3, 4)], 100)).toEqual({ from: 3, to: 9 });
    expect(rangeOf([span('a', null, 5, 9), span('b', null, 3)], 100)).toEqual({ from: 3, to: 100 });
  });

  test('no zoom and no pan leaves the whole', () => {
    const by = fc.double({ min: 0.1, max: 10, noNaN: true });
    const around = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(part, by, around, (range, factor, at) => {
        const near = zoomed(range, whole, { by: factor, around: at });
        for (const { from, to } of [near, panned(range, whole, factor - 5)]) {
          expect(from).toBeGreaterThanOrEqual(1000 - 1e-6);
          expect(to).toBeLessThanOrEqual(2000 + 1e-6);
          expect(to).toBeGreaterThan(from);
        }
      }),
    );
  });

  test('what is zoomed around stays where it is', () => {
    const { from, to } = zoomed({ from: 1400, to: 1600 }, whole, { by: 0.5, around: 0.25 });
    expect([from, to]).toEqual([1425, 1525]);
  });

  test('ticks are round and within it', () => {
    expect(ticks({ from: 0, to: 1000 }, 6)).toEqual([0, 200, 400, 600, 800, 1000]);
    expect(ticks({ from: 130, to: 640 }, 6)).toEqual([200, 300, 400, 500, 600]);
  });
});
