import { expect, test } from 'vitest';
import { Room } from './room.ts';

const NEVER = new AbortController().signal;
const room = () => new Room({ total: 100, tenant: 60, attempt: 40 });
const sender = (tenant: string, attempt: number) => ({ tenant, executionId: `job_${attempt}.1` });

/** Takes room, and says whether it has it. */
function taking(from: Room, who: ReturnType<typeof sender>, bytes: number, signal = NEVER) {
  let held: Disposable | undefined;
  const done = from.take(who, bytes, signal).then((room) => {
    held = room;
  });
  done.catch(() => undefined);
  return { done, isIn: () => held !== undefined, leave: () => held?.[Symbol.dispose]() };
}

/** Everything that could go in has gone in. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test('an attempt that sends much waits for itself, and lets others pass', async () => {
  const one = room();
  const [first, second, other] = [
    taking(one, sender('a', 1), 40),
    taking(one, sender('a', 1), 1),
    taking(one, sender('a', 2), 20),
  ];
  await settled();
  expect([first, second, other].map(({ isIn }) => isIn())).toEqual([true, false, true]);
  first.leave();
  await settled();
  expect(second.isIn()).toBe(true);
});

test('a tenant whose jobs hold their room for ever leaves room to the other tenants', async () => {
  const one = room();
  const slow = Array.from({ length: 50 }, (_, n) => taking(one, sender('slow', n), 20));
  const quick = [taking(one, sender('quick', 1), 30), taking(one, sender('other', 1), 10)];
  await settled();
  expect(slow.filter(({ isIn }) => isIn())).toHaveLength(3);
  expect(quick.map(({ isIn }) => isIn())).toEqual([true, true]);
});

test('when all is taken, those who wait come in one after the other; who goes away is not waited for', async () => {
  const one = room();
  const first = [taking(one, sender('a', 1), 40), taking(one, sender('b', 2), 40)];
  const gone = new AbortController();
  const [large, small] = [taking(one, sender('c', 3), 40, gone.signal), taking(one, sender('d', 4), 10)];
  await settled();
  expect([...first, large, small].map(({ isIn }) => isIn())).toEqual([true, true, false, false]);
  gone.abort(new Error('the client has gone'));
  await expect(large.done).rejects.toThrow('the client has gone');
  await settled();
  expect(small.isIn()).toBe(true);
  await expect(one.take(sender('e', 5), 1, gone.signal)).rejects.toThrow('the client has gone');
});

test('room that was given back is there again, for everybody', async () => {
  const one = room();
  for (const round of Array.from({ length: 20 }, (_, n) => n)) {
    using _a = await one.take(sender('a', round), 40, NEVER);
    using _b = await one.take(sender('b', round), 40, NEVER);
  }
  using _whole = await one.take(sender('a', 1), 40, NEVER);
});
