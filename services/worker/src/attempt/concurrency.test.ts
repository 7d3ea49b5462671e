import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { TestFleet } from '../testing/fleet.ts';
import { step, succeeds } from '../testing/scripted-host.ts';

const ended = (fleet: TestFleet, id: string) =>
  eventually(() => fleet.results.end(id), { what: `${id} has ended`, timeoutMs: 60_000 });
const mainOf = ({ timeline }: { timeline: readonly { moment: string; at: number }[] }) =>
  ['main_started', 'main_ended'].map(
    (name) => timeline.find(({ moment }) => moment === name)?.at ?? Number.NaN,
  );

test('of the jobs under one key one runs at a time, on whatever node; others are not held up', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const gate = Promise.withResolvers<void>();
  const gated = [step.started('main'), step.wait(gate.promise), step.exit(0)];
  for (const name of ['one', 'two', 'three']) fleet.scripts[name] = () => gated;
  const workers = [await fleet.worker(), await fleet.worker()];
  const running = () => workers.reduce((sum, { host }) => sum + host.containers.size, 0);
  const keyed = await Promise.all(
    ['one', 'two', 'three'].map((name) => fleet.submit({ name, concurrencyKey: 'db' })),
  );
  const queue = await fleet.queue();
  await eventually(async () => (await queue.getJobCounts()).delayed === 2, { what: 'two wait for the key' });
  expect(running()).toBe(1);
  const others = await Promise.all([
    fleet.submit({ name: 'free' }),
    fleet.submit({ name: 'other key', concurrencyKey: 'files' }),
  ]);
  for (const id of others) expect((await ended(fleet, id)).outcome?.state).toBe('succeeded');
  gate.resolve();
  const runs = [];
  for (const id of keyed) runs.push(await ended(fleet, id));
  // To wait for a key is no attempt.
  expect(runs.map(({ attempt, outcome }) => [attempt, outcome?.state])).toEqual(
    keyed.map(() => [1, 'succeeded']),
  );
  const spans = runs.map(mainOf).sort(([a = 0], [b = 0]) => a - b);
  for (const [index, [start = 0]] of spans.entries()) {
    if (index > 0) expect(start).toBeGreaterThanOrEqual(spans[index - 1]?.[1] ?? Number.POSITIVE_INFINITY);
  }
});

test('a job whose node died holds its key no longer than its place in the queue', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  fleet.scripts.endless = (attempt) => (attempt === 1 ? [step.started('main')] : succeeds('again'));
  const first = await fleet.worker();
  const id = await fleet.submit({ name: 'endless', concurrencyKey: 'db' });
  await eventually(() => first.host.containers.size > 0, { what: 'it runs' });
  const next = await fleet.submit({ name: 'next', concurrencyKey: 'db' });
  const queue = await fleet.queue();
  await eventually(async () => (await queue.getJobCounts()).delayed === 1, { what: 'the other waits' });
  await first.crash();
  await fleet.worker();
  expect((await ended(fleet, id)).outcome?.state).toBe('succeeded');
  expect((await ended(fleet, next)).outcome?.state).toBe('succeeded');
});
