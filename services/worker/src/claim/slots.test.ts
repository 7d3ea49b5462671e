import { expect, test } from 'vitest';
import { Slots } from './slots.ts';

const never = new AbortController().signal;

test('no more are taken than there are, and waiters are served in order', async () => {
  const slots = new Slots(2);
  const first = await slots.take(never);
  await slots.take(never);
  const order: string[] = [];
  const third = slots.take(never).then((slot) => {
    order.push('third');
    return slot;
  });
  const fourth = slots.take(never).then((slot) => {
    order.push('fourth');
    return slot;
  });
  expect(slots.free).toBe(0);
  first.release();
  first.release();
  (await third).release();
  await fourth;
  expect(order).toEqual(['third', 'fourth']);
  expect(slots.busy).toBe(2);
});

test('a waiter that gives up leaves its turn to the next', async () => {
  const slots = new Slots(1);
  const held = await slots.take(never);
  const impatient = new AbortController();
  const refused = slots.take(impatient.signal);
  const patient = slots.take(never);
  impatient.abort(new Error('enough'));
  await expect(refused).rejects.toThrow('enough');
  held.release();
  (await patient).release();
  expect(slots.free).toBe(1);
});

test('jobs taken back from a former process count even past the total, and are not handed on', async () => {
  const slots = new Slots(1);
  const [one, two] = [slots.occupy(), slots.occupy()];
  const next = slots.take(never);
  one.release();
  expect(slots.busy).toBe(1);
  two.release();
  await next;
  expect(slots.busy).toBe(1);
});
