import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { PREPARED_AT_ONCE } from '../node/worker-node.ts';
import { TestFleet } from '../testing/fleet.ts';

const MORE = 5;

test('a node claims no more jobs than it prepares at once; another one gets the rest', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const slots = 2 * PREPARED_AT_ONCE + MORE;
  const busy = Promise.withResolvers<void>();
  const first = await fleet.worker({
    settings: { slots },
    at: async (point) => {
      if (point === 'prepare') await busy.promise;
    },
  });
  for (let job = 0; job < PREPARED_AT_ONCE + MORE; job++) await fleet.submit();
  await eventually(() => first.node.running.size === PREPARED_AT_ONCE, {
    what: 'the first has its hands full',
  });
  const second = await fleet.worker({ settings: { slots } });
  await eventually(() => second.host.launched.length === MORE, { what: 'the second has run the others' });
  expect(first.host.launched).toEqual([]);
  busy.resolve();
  const all = () => first.host.launched.length === PREPARED_AT_ONCE;
  await eventually(all, { what: 'the first has run its own' });
  expect(second.host.launched.length).toBe(MORE);
});
