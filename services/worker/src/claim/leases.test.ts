import { pause } from '@cronium/lifecycle';
import { expect, test, vi } from 'vitest';
import { FencedError } from './fence.ts';
import { type Held, Leases, type LeasesOptions } from './leases.ts';

const HELD: Held = { jobId: 'job_a', attemptId: 'job_a.1', queue: 'default', token: 't', started: 1 };
const never = new AbortController().signal;

function leasesWith(options: Partial<LeasesOptions> = {}) {
  const clock = { now: 1000 };
  const errors: unknown[] = [];
  const leases = new Leases({
    lockMs: 15_000,
    doubtMs: 60_000,
    extend: async () => [],
    now: () => clock.now,
    onError: (error) => errors.push(error),
    ...options,
  });
  return { leases, clock, errors };
}

/** Has the promise an answer by now? */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open');
  const first = await Promise.race([promise.catch(() => undefined), Promise.resolve().then(() => open)]);
  return first !== open;
}

test('a process that was stopped for longer than its lock lives is in doubt at its next step, before any timer has run', async () => {
  const { leases, clock } = leasesWith();
  const lease = leases.hold(HELD, clock.now);
  const changes: boolean[] = [];
  lease.onChange(() => changes.push(lease.isSure));
  await lease.sure();
  clock.now += 15_000;
  const next = lease.sure();
  expect(changes).toEqual([false]);
  expect(await isSettled(next)).toBe(false);
  // The store says that nobody took the job.
  await leases.renew(never);
  await next;
  expect(changes).toEqual([false, true]);
});

test('in doubt, the store’s word that another worker took the job ends the wait', async () => {
  const { leases, clock } = leasesWith({ extend: async () => ['job_a'] });
  const lease = leases.hold(HELD, clock.now);
  clock.now += 15_000;
  const next = lease.sure();
  await leases.renew(never);
  await expect(next).rejects.toThrow(FencedError);
  expect(lease.signal.reason).toMatchObject({ code: 'FENCED', attemptId: 'job_a.1' });
  expect(leases.size).toBe(0);
});

test('doubt begins before the lock’s time is over, and counts from the time before the renewal was asked for', async () => {
  const { leases, clock } = leasesWith({
    extend: async () => {
      clock.now += 4000;
      return [];
    },
  });
  const lease = leases.hold(HELD, clock.now);
  clock.now += 10_000;
  await leases.renew(never);
  clock.now += 8499;
  expect(lease.isSure).toBe(true);
  clock.now += 1;
  expect(lease.isSure).toBe(false);
  expect(lease.signal.aborted).toBe(false);
});

test('a refused renewal ends that lease and no other', async () => {
  const { leases, clock } = leasesWith({ extend: async () => ['job_a'] });
  const lost = leases.hold(HELD, clock.now);
  const kept = leases.hold({ ...HELD, jobId: 'job_b', attemptId: 'job_b.1' }, clock.now);
  await leases.renew(never);
  expect(lost.signal.aborted).toBe(true);
  expect(kept.signal.aborted).toBe(false);
});

test('a job that is taken again while its former attempt is cleared away is held by its new token alone', async () => {
  const asked: string[][] = [];
  const { leases, clock } = leasesWith({
    extend: async (_, held) => {
      asked.push(held.map(({ token }) => token));
      return held.some(({ token }) => token === 't') ? ['job_a'] : [];
    },
  });
  const former = leases.hold(HELD, clock.now);
  const next = leases.hold({ ...HELD, attemptId: 'job_a.2', token: 'u' }, clock.now);
  await leases.renew(never);
  expect(asked).toEqual([['u']]);
  expect(former.signal.reason).toMatchObject({ code: 'FENCED', attemptId: 'job_a.1' });
  expect(next.signal.aborted).toBe(false);
});

test('a store that does not answer puts jobs in doubt; only when that lasts too long are they lost', async () => {
  const { leases, clock, errors } = leasesWith({
    extend: async () => {
      throw new Error('connection lost');
    },
  });
  const lease = leases.hold(HELD, clock.now);
  await leases.renew(never);
  expect(errors).toHaveLength(1);
  expect(lease.isSure).toBe(true);
  clock.now += 15_000;
  await leases.renew(never);
  expect([leases.doubted, lease.signal.aborted]).toEqual([1, false]);
  clock.now += 59_999;
  await leases.renew(never);
  expect(lease.signal.aborted).toBe(false);
  clock.now += 1;
  await leases.renew(never);
  expect(lease.signal.reason).toMatchObject({ message: expect.stringContaining('for 75 s') });
});

test('a renewal that hangs is given up, so that the next can come', async () => {
  const extend = vi.fn(() => new Promise<never>(() => undefined));
  const { leases, errors } = leasesWith({ lockMs: 30, extend, now: () => 0 });
  leases.hold(HELD, 0);
  await leases.renew(never);
  await leases.renew(never);
  expect(extend).toHaveBeenCalledTimes(2);
  expect(errors[0]).toMatchObject({ code: 'DEADLINE' });
});

test('jobs of several queues are renewed with one call for each queue', async () => {
  const extend = vi.fn(async (_queue: string, _held: readonly Held[]) => []);
  const { leases } = leasesWith({ extend });
  for (const [jobId, queue] of [
    ['job_a', 'default'],
    ['job_b', 'default'],
    ['job_c', 'gpu'],
  ] as const) {
    leases.hold({ ...HELD, jobId, queue }, 1000);
  }
  await leases.renew(never);
  expect(extend.mock.calls.map(([queue, held]) => [queue, held.length])).toEqual([
    ['default', 2],
    ['gpu', 1],
  ]);
});

test('renewals keep their rate, however long each of them takes', async () => {
  vi.useFakeTimers();
  const over = new AbortController();
  const startedAt: number[] = [];
  const { leases } = leasesWith({
    lockMs: 3000,
    now: () => performance.now(),
    extend: async () => {
      startedAt.push(performance.now());
      await pause(900);
      return [];
    },
  });
  const beginsAt = performance.now();
  leases.hold(HELD, beginsAt);
  const running = leases.run(over.signal);
  await vi.advanceTimersByTimeAsync(4500);
  over.abort();
  await vi.advanceTimersByTimeAsync(1000);
  await running;
  vi.useRealTimers();
  expect(startedAt.map((at) => Math.round(at - beginsAt))).toEqual([0, 1000, 2000, 3000, 4000]);
});

test('a doubt that only the clock knew of is over for those who saw it', async () => {
  const answer = Promise.withResolvers<readonly string[]>();
  const { leases, clock } = leasesWith({ extend: () => answer.promise });
  const lease = leases.hold(HELD, clock.now);
  const seen: boolean[] = [];
  lease.onChange(() => seen.push(lease.isSure));
  clock.now += 12_400;
  const renewed = leases.renew(never);
  clock.now += 200;
  // No timer has run yet, and a container would be held still from here on.
  expect(lease.isSure).toBe(false);
  answer.resolve([]);
  await renewed;
  expect(seen).toEqual([true]);
});
