import { eventually, privateValkey, testEnvironment } from '@cronium/testing';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { TestFleet } from './testing/fleet.ts';
import { Link } from './testing/link.ts';
import { step, succeeds } from './testing/scripted-host.ts';

async function setUp(lockMs: number, freezeMs = 60_000) {
  const { valkeyUrl } = testEnvironment();
  await using stack = new AsyncDisposableStack();
  const link = stack.use(await Link.to(valkeyUrl));
  const fleet = stack.use(new TestFleet(valkeyUrl));
  const go = Promise.withResolvers<void>();
  fleet.scripts.long = (attempt) =>
    attempt === 1 ? [step.started('main'), step.wait(go.promise), step.exit(0)] : succeeds('again');
  const settings = { lockMs, stalledCheckMs: 200, drainMs: 100 };
  const worker = await fleet.worker({ settings: { ...settings, limits: { freezeMs } }, valkeyUrl: link.url });
  const jobId = await fleet.submit({ name: 'long', timeoutSeconds: 5 });
  await eventually(() => worker.host.launched.length === 1, { what: 'it runs' });
  const held = () => [...worker.host.containers.values()].every(({ isFrozen }) => isFrozen);
  const owned = stack.move();
  return {
    link,
    fleet,
    worker,
    go,
    jobId,
    settings,
    held,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
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

/** The lock is over in the store, as it is after an outage that was longer. */
async function lockEnds({ fleet, jobId }: Awaited<ReturnType<typeof setUp>>): Promise<void> {
  const queue = await fleet.queue();
  const lock = `${queue.toKey(jobId)}:lock`;
  await eventually(async () => (await fleet.valkey.exists(lock)) === 0, { what: 'the lock is over' });
}

test.each(['cut', 'silence'] as const)(
  'Valkey away for longer than a lock lives: the job is held still, and goes on when nobody took it (%s)',
  async (how) => {
    await using set = await setUp(1500);
    set.link[how]();
    await eventually(set.held, { what: 'the container is held still' });
    await lockEnds(set);
    expect(set.worker.node.leases.doubted).toBe(1);
    // Its program would end now, and its end may not be told.
    set.go.resolve();
    set.link.heal();
    const end = await eventually(() => set.fleet.results.end(set.jobId), {
      what: 'it ended',
      timeoutMs: 20_000,
    });
    expect(end).toMatchObject({ state: 'succeeded', attempt: 1, lostAttempts: [] });
    const ended = end.timeline.find(({ moment }) => moment === 'main_ended');
    expect(ended?.attributes?.heldStillSeconds).toBeGreaterThan(0);
    expect(set.worker.host.launched).toEqual([`${set.jobId}.1`]);
    await eventually(() => set.worker.node.running.size === 0, { what: 'the queue was told' });
  },
);

test('a node whose link to Valkey is lost holds its job still; another node runs it, and then the first kills its own', async () => {
  await using set = await setUp(1500);
  set.link.cut();
  await eventually(set.held, { what: 'the cut-off node holds its container still' });
  await set.fleet.worker({ settings: set.settings });
  const end = await eventually(() => set.fleet.results.end(set.jobId), { what: 'another node ran it' });
  expect(end).toMatchObject({ state: 'succeeded', attempt: 2, lostAttempts: [1] });
  expect(set.held()).toBe(true);
  set.link.heal();
  await eventually(() => set.worker.host.containers.size === 0, { what: 'it is killed', timeoutMs: 20_000 });
  const next = await set.fleet.submit({ name: 'next' });
  await eventually(() => set.fleet.results.end(next), { what: 'the fleet goes on', timeoutMs: 20_000 });
  expect(set.fleet.results.latest(`${set.jobId}.1`)?.outcome).toBeUndefined();
});

test('a job that is held still for longer than the operator allows is killed', async () => {
  await using set = await setUp(1500, 300);
  set.link.cut();
  await eventually(() => set.worker.host.containers.size === 0, { what: 'it is killed' });
  expect(set.fleet.results.end(set.jobId)).toBeUndefined();
});

test('a worker that dies while its job is held still leaves it so, and its successor lets it go on', async () => {
  await using set = await setUp(1500);
  set.link.cut();
  await eventually(set.held, { what: 'the container is held still' });
  await set.worker.crash();
  await lockEnds(set);
  expect(set.held()).toBe(true);
  const second = await set.fleet.worker({ successorOf: set.worker, settings: set.settings });
  set.go.resolve();
  const end = await eventually(() => set.fleet.results.end(set.jobId), { what: 'it ended' });
  expect(end).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(second.host.launched).toEqual([`${set.jobId}.1`]);
});

test('a worker that is stopped while it cannot tell the queue of an end leaves that to its successor', async () => {
  await using set = await setUp(1500);
  const { fleet, worker, link, jobId } = set;
  const told = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const sendUpdates = fleet.results.sendUpdates.bind(fleet.results);
  fleet.results.sendUpdates = async (updates, signal) => {
    if (updates.some(({ final }) => final)) {
      told.resolve();
      await answer.promise;
    }
    return sendUpdates(updates, signal);
  };
  set.go.resolve();
  await told.promise;
  link.cut();
  await eventually(() => worker.node.leases.doubted === 1, { what: 'the lock is in doubt' });
  answer.resolve();
  await eventually(() => fleet.results.end(jobId), { what: 'its end is told' });
  await worker.stop();
  link.heal();
  const second = await fleet.worker({ successorOf: worker, settings: set.settings });
  const queue = await fleet.queue();
  await eventually(async () => (await queue.getJob(jobId)) === undefined, { what: 'the queue was told' });
  expect(second.host.launched).toEqual([`${jobId}.1`]);
});

test('a worker that is started while Valkey and results are away holds still what its former process left', async () => {
  await using set = await setUp(1500);
  const { fleet, worker, link, jobId } = set;
  link.cut();
  await worker.crash();
  fleet.results.away = true;
  await lockEnds(set);
  const options = { settings: set.settings, valkeyUrl: link.url };
  const second = await fleet.worker({ successorOf: worker, ...options });
  await eventually(set.held, { what: 'the container is held still' });
  set.go.resolve();
  link.heal();
  fleet.results.away = false;
  const end = await eventually(() => fleet.results.end(jobId), { what: 'it ended', timeoutMs: 20_000 });
  expect(end).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(second.host.launched).toEqual([`${jobId}.1`]);
});

test('a Valkey without any room: the job is held still when its lock cannot be renewed, and ends once when there is room', async () => {
  await using server = await privateValkey('--save', '', '--maxmemory-policy', 'noeviction');
  const admin = new Redis(server.url);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => admin.disconnect());
  const fleet = stack.use(new TestFleet(server.url));
  const go = Promise.withResolvers<void>();
  fleet.scripts.long = () => [step.started('main'), step.wait(go.promise), step.exit(0)];
  const worker = await fleet.worker({ settings: { lockMs: 1500, stalledCheckMs: 200 } });
  const running = await fleet.submit({ name: 'long' });
  await eventually(() => worker.host.launched.length === 1, { what: 'it runs' });
  await admin.config('SET', 'maxmemory', '1mb');
  await eventually(() => [...worker.host.containers.values()].every(({ isFrozen }) => isFrozen), {
    what: 'the container is held still',
  });
  go.resolve();
  await admin.config('SET', 'maxmemory', '0');
  const end = await eventually(() => fleet.results.end(running), { what: 'it ended', timeoutMs: 20_000 });
  expect(end).toMatchObject({ state: 'succeeded', attempt: 1, lostAttempts: [] });
  expect(worker.host.launched).toEqual([`${running}.1`]);
  const queue = await fleet.queue();
  await eventually(async () => (await queue.getJob(running)) === undefined, { what: 'the queue was told' });
});
