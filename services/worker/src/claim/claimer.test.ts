import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { readinessOf } from '../node/readiness.ts';
import { TestFleet } from '../testing/fleet.ts';
import { limitedUser } from '../testing/limited-user.ts';
import { PREPARED_AT_ONCE } from './claimer.ts';

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

test('a worker whose waits for work fail looks at its queue all the same', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  await using user = await limitedUser(fleet);
  await user.set('-bzpopmin');
  const worker = await fleet.worker({ valkeyUrl: user.valkeyUrl });
  for (const name of ['first', 'second']) {
    const jobId = await fleet.submit({ name });
    await eventually(() => fleet.results.end(jobId), { what: `the ${name} job has ended` });
  }
  expect((await readinessOf(worker.node, fleet.results)).ready).toBe(true);
});

test('a worker that cannot claim for long says so, and is ready again when it can', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  await using user = await limitedUser(fleet);
  const worker = await fleet.worker({ valkeyUrl: user.valkeyUrl });
  await fleet.queue();
  const readiness = () => readinessOf(worker.node, fleet.results);
  await eventually(async () => (await readiness()).ready, { what: 'it is ready' });
  // What takes a job out of the list of those that wait, and nothing else needs.
  await user.set('-rpoplpush');
  const claiming = async () => (await readiness()).checks.find(({ name }) => name === 'claiming');
  const { message } = await eventually(claiming, { what: 'it says that it cannot claim' });
  expect(message).toMatch(
    /^no job of queue default could be claimed for \d+ s \(.*no permissions.*start this worker again$/,
  );
  await worker.node.heartbeat();
  const record = JSON.parse((await fleet.valkey.hget(fleet.keys.nodes, worker.name)) ?? '{}');
  expect(record).toMatchObject({ state: 'not_ready', reasons: [expect.stringContaining('queue default')] });
  await user.set('+rpoplpush');
  await eventually(async () => (await readiness()).ready, { what: 'it is ready again' });
});
