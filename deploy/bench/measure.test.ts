import { describe, expect, test } from 'vitest';
import { inLanes, median, percentile, summarise } from './measure.ts';

describe('figures', () => {
  test('are nearest ranks of what was measured', () => {
    const values = [5, 1, 4, 2, 3];
    expect(median(values)).toBe(3);
    expect(percentile(values, 0.99)).toBe(5);
    expect(percentile(values, 0.2)).toBe(1);
    expect(summarise(values)).toEqual({ count: 5, p50: 3, p99: 5, max: 5 });
    expect(median([])).toBeNaN();
  });

  test('tasks run so many at a time, each once', async () => {
    let running = 0;
    let most = 0;
    const done: number[] = [];
    await inLanes({ count: 20, width: 3 }, async (index) => {
      most = Math.max(most, ++running);
      await Promise.resolve();
      done.push(index);
      running--;
    });
    expect(most).toBe(3);
    expect(done.toSorted((one, other) => one - other)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});
