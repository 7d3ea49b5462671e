import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { JobClock, type StoodStill } from './job-clock.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'], now: 0 }));
afterEach(() => vi.useRealTimers());

test('what stands still does not count: a time limit ends later by as much', () => {
  const clock = new JobClock();
  const ended = vi.fn();
  clock.after(1000, ended);
  vi.advanceTimersByTime(600);
  clock.stop();
  vi.advanceTimersByTime(60_000);
  expect(ended).not.toHaveBeenCalled();
  expect(clock.stoodMs).toBe(60_000);
  clock.go();
  vi.advanceTimersByTime(399);
  expect(ended).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(ended).toHaveBeenCalledTimes(1);
});

test('a limit that is set while it stands still begins when it goes on; one that was called off never ends', () => {
  const clock = new JobClock();
  clock.stop();
  const [ended, calledOff] = [vi.fn(), vi.fn()];
  clock.after(10, ended);
  clock.after(10, calledOff)[Symbol.dispose]();
  vi.advanceTimersByTime(100);
  clock.go();
  vi.advanceTimersByTime(10);
  expect([ended.mock.calls.length, calledOff.mock.calls.length]).toEqual([1, 0]);
});

test('a successor goes on with it, also when the process died while it stood still', () => {
  const saved: StoodStill[] = [];
  const clock = new JobClock({ stood: { ms: 500 }, onChange: (stood) => saved.push(stood) });
  vi.advanceTimersByTime(100);
  clock.stop();
  clock.stop();
  expect(saved).toEqual([{ ms: 500, since: 100 }]);
  vi.advanceTimersByTime(900);
  const successor = new JobClock({ stood: saved[0] as StoodStill, onChange: (stood) => saved.push(stood) });
  expect(successor.stoodMs).toBe(1400);
  successor.go();
  vi.advanceTimersByTime(900);
  expect(successor.stoodMs).toBe(1400);
  expect(saved.at(-1)).toEqual({ ms: 1400 });
});
