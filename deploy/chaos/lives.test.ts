import { expect, test } from 'vitest';
import { isExcused, type Life, overlapsOf } from './lives.ts';

const life = (attempt: number, startedMs: number, endedMs: number, frozen: Life['frozen'] = []): Life => ({
  containerId: `c${attempt}`,
  node: `n${attempt}`,
  jobId: 'job_1',
  attemptId: `job_1.${attempt}`,
  startedMs,
  endedMs,
  frozen,
});

test('containers of one job that follow each other do not overlap', () => {
  expect(overlapsOf([life(1, 0, 10), life(2, 10, 20)])).toEqual([]);
});

test('two that run at once are found, with the time in which they did', () => {
  expect(overlapsOf([life(2, 5, 20), life(1, 0, 10)])).toMatchObject([
    { fromMs: 5, toMs: 10, older: { containerId: 'c1' }, newer: { containerId: 'c2' } },
  ]);
});

test('containers of different jobs may run at once', () => {
  expect(overlapsOf([life(1, 0, 10), { ...life(2, 5, 20), jobId: 'job_2' }])).toEqual([]);
});

test('a frozen container does not run; one that is thawed beside another does', () => {
  const frozen = [{ fromMs: 4, toMs: 30 }];
  expect(overlapsOf([life(1, 0, 25, frozen), life(2, 5, 20)])).toEqual([]);
  expect(overlapsOf([life(1, 0, 40, frozen), life(2, 5, 35)])).toMatchObject([{ fromMs: 30, toMs: 35 }]);
});

test('a standstill from before the life began is none of it', () => {
  expect(overlapsOf([life(1, 10, 40, [{ fromMs: 2, toMs: 5 }]), life(2, 0, 8)])).toEqual([]);
  expect(overlapsOf([life(1, 10, 40, [{ fromMs: 2, toMs: 20 }]), life(2, 5, 25)])).toMatchObject([
    { fromMs: 20, toMs: 25 },
  ]);
});

test('an overlap is excused while the older one’s worker was away, and for a moment after; not for one more', () => {
  const [overlap] = overlapsOf([life(1, 0, 40), life(2, 10, 50)]);
  if (overlap === undefined) throw new Error('they overlap');
  const excused = (...away: { fromMs: number; toMs: number }[]) => isExcused(overlap, { away, returnMs: 5 });
  expect(excused({ fromMs: 5, toMs: 35 })).toBe(true);
  expect(excused({ fromMs: 5, toMs: 34 })).toBe(false);
  expect(excused({ fromMs: 11, toMs: 60 })).toBe(false);
  expect(excused({ fromMs: 20, toMs: 40 }, { fromMs: 5, toMs: 15 })).toBe(true);
  expect(excused({ fromMs: 21, toMs: 40 }, { fromMs: 5, toMs: 15 })).toBe(false);
});
