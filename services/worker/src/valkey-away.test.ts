import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { TestFleet } from './testing/fleet.ts';
import { Link } from './testing/link.ts';
import { step, succeeds } from './testing/scripted-host.ts';

async function setUp(lockMs: number) {
  const { valkeyUrl } = testEnvironment();
  await using stack = new AsyncDisposableStack();
  const link = stack.use(await Link.to(valkeyUrl));
  const fleet = stack.use(new TestFleet(valkeyUrl));
  const go = Promise.withResolvers<void>();
  fleet.scripts.long = (attempt) =>
    attempt === 1 ? [step.started('main'), step.wait(go.promise), step.exit(0)] : succeeds('again');
  const settings = { lockMs, stalledCheckMs: 200 };
  const worker = await fleet.worker({ settings, valkeyUrl: link.url });
  const jobId = await fleet.submit({ name: 'long' });
  await eventually(() => worker.host.launched.length === 1, { what: 'it runs' });
  const owned = stack.move();
  return { link, fleet, worker, go, jobId, settings, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

test('Valkey away for less than a lock’s time: running jobs end, and claims go on by themselves', async () => {
  await using set = await setUp(20_000);
  set.link.cut();
  set.go.resolve();
  await eventually(() => set.fleet.results.end(set.jobId), { what: 'its end is told without Valkey' });
  set.link.heal();
  const next = await set.fleet.submit({ name: 'next' });
  const end = await eventually(() => set.fleet.results.end(next), {
    what: 'the next job ends',
    timeoutMs: 20_000,
  });
  expect(end).toMatchObject({ state: 'succeeded', attempt: 1 });
  await eventually(() => set.worker.node.running.size === 0, { what: 'the queue was told' });
  const queue = await set.fleet.queue();
  expect(await queue.getJobCounts('active', 'waiting', 'delayed')).toMatchObject({
    active: 0,
    waiting: 0,
    delayed: 0,
  });
});

test.each(['cut', 'silence'] as const)(
  'a node whose link to Valkey is lost for longer kills what it runs, and another node runs it (%s)',
  async (how) => {
    await using set = await setUp(1500);
    set.link[how]();
    await eventually(() => set.worker.host.containers.size === 0, {
      what: 'the cut-off node killed its container',
    });
    expect(set.fleet.results.end(set.jobId)).toBeUndefined();
    await set.fleet.worker({ settings: set.settings });
    const end = await eventually(() => set.fleet.results.end(set.jobId), { what: 'another node ran it' });
    expect(end).toMatchObject({ state: 'succeeded', attempt: 2, lostAttempts: [1] });
    set.link.heal();
    const next = await set.fleet.submit({ name: 'next' });
    await eventually(() => set.fleet.results.end(next), { what: 'the fleet goes on', timeoutMs: 20_000 });
  },
);
