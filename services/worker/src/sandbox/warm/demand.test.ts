import { jobSpec } from '@cronium/contracts';
import { describe, expect, test } from 'vitest';
import { Demand, type Kind } from './demand.ts';

const spec = jobSpec.parse({ type: 'container', image: 'a' });
const kind = (key: string): Kind => ({ key, spec });
const counts = (demand: Demand, limit: number, now: number) =>
  Object.fromEntries([...demand.wanted(limit, now)].map(([key, { count }]) => [key, count]));

describe('what is kept warm', () => {
  test('nothing that nobody asked for; one of what came once', () => {
    const demand = new Demand();
    expect(counts(demand, 8, 0)).toEqual({});
    demand.came(kind('a'), 0);
    expect(counts(demand, 8, 1000)).toEqual({ a: 1 });
  });

  test('as many as come while another is made', () => {
    const demand = new Demand();
    for (let ms = 0; ms < 60_000; ms += 250) demand.came(kind('a'), ms);
    expect(counts(demand, 20, 60_000).a).toBeGreaterThanOrEqual(8);
    expect(counts(demand, 20, 60_000).a).toBeLessThan(12);
    expect(counts(demand, 20, 160_000)).toEqual({ a: 1 });
  });

  test('what could not be made is tried again later and later, until it can be', () => {
    const demand = new Demand();
    demand.came(kind('a'), 0);
    const untilTried = (now: number) => {
      for (let ms = now; ; ms += 1000) if (!demand.isDoubtful('a', ms)) return ms - now;
    };
    expect(untilTried(0)).toBe(0);
    const waits = [0, 0, 0].map(() => {
      demand.tried('a', false, 0);
      demand.came(kind('a'), 0);
      return untilTried(0);
    });
    expect(waits).toEqual([5000, 10_000, 20_000]);
    demand.tried('a', true, 0);
    expect(untilTried(0)).toBe(0);
    demand.tried('a', false, 0);
    expect(untilTried(0)).toBe(5000);
  });

  test('what the queue holds, within the limit, and no longer than it holds it', () => {
    const demand = new Demand();
    const seven = Array.from({ length: 7 }, () => kind('a'));
    demand.waiting([...seven, kind('b')], 0);
    expect(counts(demand, 20, 0)).toEqual({ a: 7, b: 1 });
    expect(counts(demand, 4, 0)).toEqual({ a: 3, b: 1 });
    demand.waiting([], 0);
    expect(counts(demand, 20, 0)).toEqual({ a: 1, b: 1 });
  });

  test('the most wanted kinds when there is not room for all, and none when there is no room', () => {
    const demand = new Demand();
    for (const key of ['a', 'b', 'b', 'c', 'c', 'c']) demand.came(kind(key), 0);
    expect(counts(demand, 2, 0)).toEqual({ c: 1, b: 1 });
    expect(counts(demand, 0, 0)).toEqual({});
  });

  test('not what nobody asked for in ten minutes', () => {
    const demand = new Demand();
    demand.came(kind('a'), 0);
    expect(counts(demand, 8, 599_000)).toEqual({ a: 1 });
    expect(counts(demand, 8, 601_000)).toEqual({});
  });
});
