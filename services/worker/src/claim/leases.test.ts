import { pause } from '@cronium/lifecycle';
import fc from 'fast-check';
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

test('who waits for the store’s word of a hold that ends by itself does not wait for ever', async () => {
  const { leases, clock } = leasesWith();
  const lease = leases.hold(HELD, clock.now);
  clock.now += 15_000;
  const next = lease.sure();
  lease.release();
  await expect(next).rejects.toThrow('given up');
  await expect(lease.sure()).rejects.toThrow(FencedError);
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
  clock.now += 5999;
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
      await pause(500);
      return [];
    },
  });
  const beginsAt = performance.now();
  leases.hold(HELD, beginsAt);
  const running = leases.run(over.signal);
  await vi.advanceTimersByTimeAsync(2700);
  over.abort();
  await vi.advanceTimersByTimeAsync(1000);
  await running;
  vi.useRealTimers();
  expect(startedAt.map((at) => Math.round(at - beginsAt))).toEqual([0, 600, 1200, 1800, 2400]);
});

test('a doubt that only the clock knew of is over for those who saw it', async () => {
  const answer = Promise.withResolvers<readonly string[]>();
  const { leases, clock } = leasesWith({ extend: () => answer.promise });
  const lease = leases.hold(HELD, clock.now);
  const seen: boolean[] = [];
  lease.onChange(() => seen.push(lease.isSure));
  clock.now += 9_900;
  const renewed = leases.renew(never);
  clock.now += 200;
  // No timer has run yet, and a container would be held still from here on.
  expect(lease.isSure).toBe(false);
  answer.resolve([]);
  await renewed;
  expect(seen).toEqual([true]);
});

/** How a renewal goes: its way there, its way back, and whether its answer gets lost. */
const renewal = fc.record({
  thereMs: fc.integer({ min: 0, max: 7000 }),
  backMs: fc.integer({ min: 0, max: 7000 }),
  isLost: fc.boolean(),
});

test('however late and lossy renewals are: when another worker runs the job, its holder has been in doubt for two thirds of a lock’s time', async () => {
  vi.useFakeTimers();
  const lockMs = 15_000;
  const property = fc.asyncProperty(fc.array(renewal, { maxLength: 10 }), async (renewals) => {
    // The store's own record of the lock.
    const store = { expiresAt: 0, isTaken: false };
    const left = [...renewals];
    const extend = async () => {
      const next = left.shift();
      if (next === undefined) return new Promise<never>(() => undefined);
      await pause(next.thereMs);
      const refused = store.isTaken ? ['job_a'] : [];
      if (!store.isTaken) store.expiresAt = performance.now() + lockMs;
      await pause(next.backMs);
      if (next.isLost) throw new Error('connection lost');
      return refused;
    };
    const clock = { lockMs, now: () => performance.now(), extend };
    const { leases } = leasesWith(clock);
    store.expiresAt = performance.now() + lockMs;
    const lease = leases.hold(HELD, performance.now());
    let doubtedAt: number | undefined;
    lease.onChange(() => {
      doubtedAt = lease.isSure ? undefined : (doubtedAt ?? performance.now());
    });
    const over = new AbortController();
    const running = leases.run(over.signal);
    while (performance.now() < store.expiresAt) {
      await vi.advanceTimersByTimeAsync(store.expiresAt - performance.now());
    }
    // It is taken in the very moment in which it runs out.
    store.isTaken = true;
    const { leases: others } = leasesWith(clock);
    const taken = others.hold({ ...HELD, attemptId: 'job_a.2', token: 'u' }, performance.now());
    let beganAt = 0;
    const begun = taken.outwaitFormer(never).then(() => {
      beganAt = performance.now();
    });
    await vi.advanceTimersByTimeAsync(lockMs);
    over.abort();
    await Promise.all([running, begun]);
    expect(beganAt - (doubtedAt ?? beganAt)).toBeGreaterThanOrEqual((2 / 3) * lockMs - 1);
  });
  await fc.assert(property, { numRuns: 60 });
  vi.useRealTimers();
});
