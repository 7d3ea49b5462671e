import { expect, test } from 'vitest';
import { type Figure, isMet, table } from './figure.ts';

const FIGURE: Figure = {
  name: 'jobs',
  unit: 'jobs/s',
  value: 15.04,
  runs: [15, 15.04, 16],
  baseline: { name: 'docker run', value: 7, runs: [7] },
  target: { of: 'ratio', atLeast: 2 },
};

test('a figure stands beside its baseline, and says whether its target is met', () => {
  expect(isMet(FIGURE)).toBe(true);
  expect(isMet({ ...FIGURE, value: 13 })).toBe(false);
  expect(isMet({ ...FIGURE, target: { of: 'value', atMost: 10 } })).toBe(false);
  const lines = table([FIGURE]).split('\n');
  expect(lines[1]).toBe('jobs    15 jobs/s  7 jobs/s (docker run)  2.15   ratio >= 2  met');
});
