import { describe, expect, test } from 'vitest';
import { dueTimes, nextTime, RhythmError, timesToRun } from './rhythm.ts';

const cron = (expression: string, timeZone = 'UTC') => ({ cron: expression, timeZone });
const after = (iso: string) => ({ afterMs: Date.parse(iso), sinceMs: 0 });
const iso = (ms: number) => new Date(ms).toISOString();
const times = (rhythm: ReturnType<typeof cron>, from: string, count: number) => {
  const found: string[] = [];
  for (let at = Date.parse(from); found.length < count; ) {
    at = nextTime(rhythm, { afterMs: at, sinceMs: 0 });
    found.push(iso(at));
  }
  return found;
};

describe('when a schedule is due', () => {
  test('cron in its time zone, over both changes of the clock', () => {
    const daily = cron('30 2 * * *', 'Europe/Berlin');
    expect(times(daily, '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:30:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(times(daily, '2026-10-24T00:00:00Z', 3).map((at) => at.slice(0, 10))).toEqual([
      '2026-10-24',
      '2026-10-25',
      '2026-10-26',
    ]);
  });

  test('the time itself is not due again', () => {
    expect(iso(nextTime(cron('0 * * * *'), after('2026-01-01T10:00:00Z')))).toBe('2026-01-01T11:00:00.000Z');
  });

  test('intervals count from their beginning, not from when somebody looked', () => {
    const every = { everySeconds: 90, timeZone: 'UTC' };
    expect(nextTime(every, { afterMs: 1000, sinceMs: 1000 })).toBe(91_000);
    expect(nextTime(every, { afterMs: 1_000_000, sinceMs: 1000 })).toBe(1000 + 12 * 90_000);
  });

  test.each(['61 * * * *', 'nonsense', '0 0 31 2 *'])('%j is refused', (expression) => {
    expect(() => nextTime(cron(expression), after('2026-01-01T00:00:00Z'))).toThrow(RhythmError);
  });
});

test('after an absence all due times are known, a bounded number at once', () => {
  const every = { everySeconds: 60, timeZone: 'UTC' };
  expect(dueTimes(every, { fromMs: 60_000, untilMs: 200_000, sinceMs: 0, limit: 10 })).toEqual({
    due: [60_000, 120_000, 180_000],
    nextMs: 240_000,
  });
  expect(dueTimes(every, { fromMs: 60_000, untilMs: 200_000, sinceMs: 0, limit: 2 })).toEqual({
    due: [60_000, 120_000],
    nextMs: 180_000,
  });
});

test.each([
  ['none', [], [390_000]],
  ['last', [300_000], [390_000]],
  ['all', [60_000, 180_000, 300_000], [60_000, 180_000, 300_000, 390_000]],
] as const)('catch-up %s: missed alone %j, with a fresh one %j', (catchUp, missed, withFresh) => {
  const old = [60_000, 180_000, 300_000];
  expect(timesToRun(old, { catchUp, nowMs: 400_000 })).toEqual(missed);
  expect(timesToRun([...old, 390_000], { catchUp, nowMs: 400_000 })).toEqual(withFresh);
});
