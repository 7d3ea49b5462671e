import type { AttemptUpdate } from '@cronium/contracts';
import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { type Point, TestFleet } from './testing/fleet.ts';
import { Link } from './testing/link.ts';

const SETTINGS = { lockMs: 1500, stalledCheckMs: 200 };

/** Reports of an attempt that match do not reach results until they are let through. */
function holdBack(fleet: TestFleet, matches: (update: AttemptUpdate) => boolean) {
  const sent = Promise.withResolvers<void>();
  const through = Promise.withResolvers<void>();
  const send = fleet.results.sendUpdates.bind(fleet.results);
  fleet.results.sendUpdates = async (updates, signal) => {
    if (updates.some(matches)) {
      sent.resolve();
      await through.promise;
    }
    return send(updates, signal);
  };
  return { sent: sent.promise, letThrough: () => through.resolve() };
}

/** The first attempt has succeeded on a node that lost Valkey, and results has not heard of it; a second node has the job. */
async function setUp() {
  const { valkeyUrl } = testEnvironment();
  await using stack = new AsyncDisposableStack();
  const link = stack.use(await Link.to(valkeyUrl));
  const fleet = stack.use(new TestFleet(valkeyUrl));
  const end = holdBack(fleet, ({ attempt, outcome }) => attempt === 1 && outcome !== undefined);
  const claim = holdBack(fleet, ({ attempt }) => attempt === 2);
  stack.defer(() => {
    end.letThrough();
    claim.letThrough();
    link.heal();
  });
  const first = await fleet.worker({ settings: SETTINGS, valkeyUrl: link.url });
  const jobId = await fleet.submit({ name: 'job' });
  await end.sent;
  link.cut();
  const prepared = Promise.withResolvers<void>();
  const at = (point: Point) => (point === 'prepared' ? prepared.resolve() : undefined);
  const second = await fleet.worker({ settings: SETTINGS, at });
  await Promise.all([claim.sent, prepared.promise]);
  const owned = stack.move();
  return { link, fleet, first, second, jobId, end, claim, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test('the end of an attempt is told after another node took its job: the job does not run again', async () => {
  await using set = await setUp();
  set.end.letThrough();
  await eventually(() => set.fleet.results.end(set.jobId), { what: 'the first end is stored' });
  set.claim.letThrough();
  await eventually(() => set.second.node.running.size === 0, { what: 'the second attempt is given up' });
  expect(set.second.host.launched).toEqual([]);
  expect(set.second.host.containers.size).toBe(0);
  expect(set.fleet.results.end(set.jobId)).toMatchObject({ state: 'succeeded', attempt: 1 });
  const queue = await set.fleet.queue();
  expect(await queue.getJob(set.jobId)).toBeUndefined();
});

test('an attempt that results let begin is the one whose end counts', async () => {
  await using set = await setUp();
  expect(set.second.host.launched).toEqual([]);
  set.claim.letThrough();
  const end = await eventually(() => set.fleet.results.end(set.jobId), { what: 'it ended' });
  expect(end).toMatchObject({ state: 'succeeded', attempt: 2, lostAttempts: [1] });
  set.end.letThrough();
  set.link.heal();
  await eventually(() => set.first.host.containers.size === 0 && set.first.node.running.size === 0, {
    what: 'the first attempt is given up',
    timeoutMs: 20_000,
  });
  expect(set.fleet.results.latest(`${set.jobId}.1`)?.outcome).toBeUndefined();
});

test('a cancel ends an attempt that waits for leave to begin', async () => {
  await using set = await setUp();
  const { valkey, keys } = set.fleet;
  await valkey.set(keys.cancel(set.jobId), JSON.stringify({ by: 'ada', at: 1 }));
  await eventually(() => set.second.host.containers.size === 0, { what: 'its sandbox is removed' });
  set.claim.letThrough();
  const end = await eventually(() => set.fleet.results.end(set.jobId), { what: 'it ended' });
  expect(end).toMatchObject({ state: 'cancelled', attempt: 2 });
  expect(set.second.host.launched).toEqual([]);
});
