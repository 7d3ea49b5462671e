import type { SpanView } from '@cronium/contracts';
import { describe, expect, test } from 'vitest';
import {
  ago,
  between,
  columnsOf,
  cut,
  duration,
  noPaint,
  plain,
  plainLog,
  progressLine,
  ran,
  table,
  waterfall,
} from './index.ts';

test.each([
  [0.04, '0 ms'],
  [0.42, '0.4 ms'],
  [9.96, '10 ms'],
  [12.3, '12 ms'],
  [999.6, '1.00 s'],
  [1240, '1.24 s'],
  [9994, '9.99 s'],
  [12_340, '12.3 s'],
  [59_949, '59.9 s'],
  [59_960, '1 m 00 s'],
  [192_000, '3 m 12 s'],
  [7_500_000, '2 h 05 m'],
  [93_600_000, '1 d 02 h'],
  [-5, '0 ms'],
])('%d ms read as %s', (milliseconds, text) => {
  expect(duration(milliseconds)).toBe(text);
});

test('times that are missing show as a dash, an end that is missing as now', () => {
  const nowMs = Date.parse('2026-01-01T00:00:10Z');
  expect(between(null, null, nowMs)).toBe('-');
  expect(between('2026-01-01T00:00:00Z', null, nowMs)).toBe('10.0 s');
  expect(ago('2026-01-01T00:00:09Z', nowMs)).toBe('1.00 s ago');
  expect(ago(null, nowMs)).toBe('-');
});

test('a job ran for as long as its main program did, and not until its log was stored', () => {
  const nowMs = Date.parse('2026-01-01T00:00:10Z');
  const [startedAt, endedAt] = ['2026-01-01T00:00:05Z', '2026-01-01T00:00:07Z'];
  expect(ran({ runMs: 500, startedAt, endedAt }, nowMs)).toBe('500 ms');
  expect(ran({ runMs: null, startedAt, endedAt: null }, nowMs)).toBe('5.00 s');
  expect(ran({ runMs: null, startedAt, endedAt }, nowMs)).toBe('2.00 s');
  expect(ran({ runMs: null, startedAt: null, endedAt }, nowMs)).toBe('-');
});

describe('text of jobs', () => {
  test('cannot move the cursor, set the title or turn the reading direction', () => {
    expect(plain('a\u001b[2Jb\u0007\u009bc\nd\u202ee')).toBe('a␛[2Jb␇\ufffdc␊d\ufffde');
  });

  test('keeps colours and line ends in a log', () => {
    expect(plainLog('\u001b[1;31mred\u001b[0m\tx\r')).toBe('\u001b[1;31mred\u001b[0m\tx\r');
    expect(plainLog('\u001b]0;title\u0007\u001b[2J')).toBe('␛]0;title␇␛[2J');
  });
});

test('text is cut by columns, not by code units', () => {
  expect(columnsOf('a日本\u001b[31mb\u001b[0m')).toBe(6);
  expect(cut('日本語', 5)).toBe('日本…');
  expect(cut('short', 5)).toBe('short');
});

describe('a table', () => {
  const rows = [
    { name: 'a long name of a job', count: 5 },
    { name: 'b\u001b[2J', count: 12_345 },
  ];
  const columns = [
    { title: 'NAME', value: (row: (typeof rows)[0]) => row.name, flexible: true },
    { title: 'N', value: (row: (typeof rows)[0]) => String(row.count), align: 'right' as const },
  ];

  test('aligns its columns', () => {
    expect(table(rows, columns, { width: 80, paint: noPaint })).toEqual([
      'NAME                      N',
      'a long name of a job      5',
      'b␛[2J                 12345',
    ]);
  });

  test('narrows what may be cut when the terminal is narrow', () => {
    expect(table(rows, columns, { width: 20, paint: noPaint })).toEqual([
      'NAME               N',
      'a long name …      5',
      'b␛[2J          12345',
    ]);
  });
});

function span(spanId: string, parentSpanId: string | null, startMs: number, endMs: number | null): SpanView {
  const place = { traceId: 't', spanId, parentSpanId, name: spanId, startMs, endMs };
  return { ...place, kind: 'internal', service: 'worker', status: 'unset', attributes: {}, events: [] };
}

describe('a waterfall', () => {
  const options = { width: 43, paint: noPaint, nowMs: 200 };
  const draw = (spans: SpanView[]) => waterfall({ traceId: 't', spans, truncated: false }, options);

  test('shows the tree, and bars on one axis', () => {
    const spans = [
      span('run', 'attempt', 50, 100),
      span('job', 'elsewhere', 0, 100),
      span('attempt', 'job', 25, 100),
      span('image', 'attempt', 25, 25),
      span('wait', 'job', 0, 25),
    ];
    expect(draw(spans)).toEqual([
      'trace t  5 spans  100 ms',
      'job       ████████████████████      100 ms',
      '├ wait    █████                      25 ms',
      '└ attempt      ███████████████       75 ms',
      '  ├ image      ▏                      0 ms',
      '  └ run             ██████████       50 ms',
    ]);
  });

  test('draws a span that goes on up to now', () => {
    expect(draw([span('job', null, 0, null)]).at(-1)).toMatch(/^job █+ +200 ms…$/);
  });

  test('says so when there is nothing', () => {
    expect(draw([])).toEqual(['The trace has no spans yet.']);
  });

  test('ends although a span names itself as its parent', () => {
    expect(draw([span('a', null, 0, 1), span('b', 'b', 0, 1)])).toHaveLength(2);
  });
});

test('a progress line has bar, percentage and counts, and fits the width', () => {
  const progress = { done: 126, total: 200, failed: 3, running: 4, perSecond: 41.2, etaSeconds: 1.8 };
  expect(progressLine(progress, { width: 100, paint: noPaint })).toBe(
    '█████████████████░░░░░░░░░░░  63% 126/200 · 4 running · 3 failed · 41/s · 1.80 s left',
  );
  expect(progressLine(progress, { width: 50, paint: noPaint }).length).toBeLessThanOrEqual(50);
});
