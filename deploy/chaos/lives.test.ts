import { expect, test } from 'vitest';
import { type Life, overlapsOf } from './lives.ts';

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
