import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { readinessOf } from '../node/readiness.ts';
import { TestFleet } from '../testing/fleet.ts';
import { limitedUser } from '../testing/limited-user.ts';
import { ClaimWatch } from './claim-watch.ts';
import { claimFrom, type Place, PREPARED_AT_ONCE } from './claimer.ts';
import { Gate } from './gate.ts';
import { Leases } from './leases.ts';
import type { JobQueue, Taking } from './queue.ts';
import { Slots } from './slots.ts';

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

test('a job that comes when none waits is prepared before the queue is looked at again', async () => {
  const story: string[] = [];
  const stop = new AbortController();
  const job = { id: 'job_abcdefghijkl', data: '', started: 1, keep: true };
  const found: Taking[] = [
    { type: 'empty', nextAt: undefined },
    { type: 'job', job },
  ];
  const take = async (): Promise<Taking> => {
    story.push('look');
    const taking = found.shift();
    if (taking === undefined) stop.abort();
    return taking ?? { type: 'empty', nextAt: undefined };
  };
  const start = async (_claim: unknown, _lease: unknown, { turn }: Place) => {
    // Without a timer in between: it must not be the limit that lets the next look come.
    for (let turns = 0; turns < 1000; turns++) await undefined;
    story.push('prepared');
    turn.release();
  };
  await claimFrom(
    { ...claiming(), queue: queueWith(take), start: (...given) => void start(...given) },
    stop.signal,
  );
  expect(story).toEqual(['look', 'look', 'prepared', 'look']);
});

function claiming() {
  const onError = (error: unknown) => expect.fail(String(error));
  const extend = async () => [];
  return {
    node: 'node',
    record: { pool: 'default', requires: {} },
    gate: new Gate({ obstacles: () => [] }),
    slots: new Slots(2),
    preparing: new Slots(2),
    leases: new Leases({ lockMs: 60_000, doubtMs: 60_000, extend, onError }),
    watch: new ClaimWatch(),
    isNameOurs: async () => true,
    onError,
  };
}

/** Work has always just come. */
function queueWith(take: JobQueue['take']): JobQueue {
  const unused = () => expect.fail('a claimer does not need it');
  return {
    name: 'default',
    take,
    waitForWork: async () => 0,
    passOn: async () => undefined,
    close: async () => undefined,
    ...{ watchStalled: unused, peek: unused, extend: unused, complete: unused, putBack: unused },
  };
}
