import { expect, test } from 'vitest';
import { Changes } from './changes.ts';

test('it is worth a look at first, after any news, and when the last look is long ago', () => {
  const changes = new Changes();
  const isWorthALook = changes.worthALook(Number.POSITIVE_INFINITY);
  expect([isWorthALook(), isWorthALook()]).toEqual([true, false]);
  changes.tell(['job_0']);
  changes.tellAll();
  expect([isWorthALook(), isWorthALook()]).toEqual([true, false]);
  changes.tell(['job_0']);
  expect([isWorthALook(false), isWorthALook(), isWorthALook()]).toEqual([false, true, false]);
  const impatient = changes.worthALook(0);
  expect([impatient(), impatient()]).toEqual([true, true]);
  expect(changes.listeners).toBe(0);
});
