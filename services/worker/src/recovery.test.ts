import { waitFor } from '@cronium/lifecycle';
import { eventually, testEnvironment } from '@cronium/testing';
import { describe, expect, test } from 'vitest';
import { Journal } from './journal/journal.ts';
import { SandboxError } from './sandbox/runtime.ts';
import { type Point, TestFleet, type TestWorker } from './testing/fleet.ts';
import { step, succeeds } from './testing/scripted-host.ts';

const LINES = Array.from({ length: 50 }, (_, line) => `line ${line}`);
const TEXT = `${LINES.join('\n')}\n`;

/** Stops whoever comes to a point for the first time, for ever, and says so. */
function deathAt(wanted: Point) {
  const reached = Promise.withResolvers<void>();
  let armed = true;
  const at = (point: Point): Promise<void> | void => {
    if (!armed || point !== wanted) return;
    armed = false;
    reached.resolve();
    return new Promise<never>(() => undefined);
  };
  return { at, reached: reached.promise };
}

async function endOf(fleet: TestFleet, jobId: string) {
  return eventually(() => fleet.results.end(jobId), {
    what: `${jobId} has ended`,
    timeoutMs: 20_000,
    everyMs: 10,
  });
}

async function nothingIsLeft(...workers: readonly TestWorker[]) {
  for (const { host, node } of workers) {
    await eventually(() => host.containers.size === 0 && node.running.size === 0, {
      what: 'nothing is left',
    });
    expect(host.doubled).toEqual([]);
  }
}

describe('a worker that dies and is started again finishes what it had begun', () => {
  const POINTS: readonly Point[] = ['prepare', 'prepared', 'launch', 'launched', 'output', 'exit', 'release'];
  test.each(POINTS)('at %s', async (point) => {
    await using fleet = new TestFleet(testEnvironment().valkeyUrl);
    fleet.scripts.job = () => succeeds(...LINES);
    const { at, reached } = deathAt(point);
    const first = await fleet.worker({ at });
    const jobId = await fleet.submit({ name: 'job' });
    await reached;
    await first.crash();
    const second = await fleet.worker({ successorOf: first });
    const end = await endOf(fleet, jobId);
    expect(end.state).toBe('succeeded');
    expect(fleet.results.text(end.attemptId)).toBe(TEXT);
    expect(fleet.results.isComplete(end.attemptId)).toBe(true);
    // Only where nobody can know whether the program was sent does another attempt run.
    expect(end.attempt).toBe(point === 'launch' || point === 'launched' ? 2 : 1);
    expect(new Set(second.host.launched).size).toBe(second.host.launched.length);
    expect(
      fleet.results.updates.filter(({ final }) => final).every(({ state }) => state === 'succeeded'),
    ).toBe(true);
    await nothingIsLeft(second);
  });

  test.each(['logs', 'updates'] as const)('while it sends %s', async (call) => {
    await using fleet = new TestFleet(testEnvironment().valkeyUrl);
    fleet.scripts.job = () => succeeds(...LINES);
    const reached = Promise.withResolvers<void>();
    fleet.results.onCall = (which) => {
      if (which !== call) return;
      reached.resolve();
      return new Promise<never>(() => undefined);
    };
    const first = await fleet.worker();
    const jobId = await fleet.submit({ name: 'job' });
    await reached.promise;
    await first.crash();
    fleet.results.onCall = undefined;
    const second = await fleet.worker({ successorOf: first });
    const end = await endOf(fleet, jobId);
    expect(end).toMatchObject({ state: 'succeeded' });
    expect(fleet.results.text(end.attemptId)).toBe(TEXT);
    await nothingIsLeft(second);
  });
});

test('an attempt that came to no container and died with its closed log on the way is not begun again under its number', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  let refuse = true;
  const at = (point: Point) => {
    if (point === 'prepare' && refuse) throw new SandboxError('docker', 'the daemon is away');
  };
  const stored = Promise.withResolvers<void>();
  const sendLogs = fleet.results.sendLogs.bind(fleet.results);
  fleet.results.sendLogs = async (frames, signal) => {
    await sendLogs(frames, signal);
    stored.resolve();
    return waitFor(new Promise<never>(() => undefined), signal);
  };
  const first = await fleet.worker({ at });
  const jobId = await fleet.submit({ name: 'job' });
  await stored.promise;
  await first.crash();
  refuse = false;
  fleet.results.sendLogs = sendLogs;
  const second = await fleet.worker({ successorOf: first });
  const end = await endOf(fleet, jobId);
  expect(end).toMatchObject({ state: 'succeeded', attempt: 2 });
  expect(fleet.results.text(end.attemptId)).toBe('job\n');
  await nothingIsLeft(second);
});

test('an outcome that was told but not settled when the worker died is settled by its successor', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const reached = Promise.withResolvers<void>();
  const first = await fleet.worker({ settings: { lockMs: 4000 } });
  fleet.results.onStored = () => {
    if (!fleet.results.updates.some(({ final }) => final)) return undefined;
    reached.resolve();
    return new Promise<never>(() => undefined);
  };
  const jobId = await fleet.submit({ name: 'job' });
  await reached.promise;
  await first.crash();
  fleet.results.onStored = undefined;
  const second = await fleet.worker({ successorOf: first });
  const queue = await fleet.queue();
  await eventually(async () => (await queue.getJob(jobId)) === undefined, {
    what: 'the queue has forgotten it',
  });
  expect(second.host.launched).toEqual([`${jobId}.1`]);
  await nothingIsLeft(second);
});

test('a running container is taken back and finished, not run again, with its log from where it was stored', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const more = Promise.withResolvers<void>();
  fleet.scripts.long = () => [
    step.started('main'),
    step.print('before'),
    step.wait(more.promise),
    step.print('after'),
    step.exit(0),
  ];
  const first = await fleet.worker();
  const jobId = await fleet.submit({ name: 'long' });
  await eventually(() => fleet.results.text(`${jobId}.1`) === 'before\n', {
    what: 'the first line is stored',
  });
  await first.crash();
  const second = await fleet.worker({ successorOf: first });
  await eventually(() => second.node.running.size === 1, { what: 'it is taken back' });
  more.resolve();
  expect(await endOf(fleet, jobId)).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(fleet.results.text(`${jobId}.1`)).toBe('before\nafter\n');
  expect(second.host.launched).toEqual([`${jobId}.1`]);
  await nothingIsLeft(second);
});

test('lines that the former process had on their way, and that come after its successor asked where the log goes on, are stored once', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const { results } = fleet;
  const [more, held] = [Promise.withResolvers<void>(), Promise.withResolvers<Buffer>()];
  fleet.scripts.long = () => [
    ...[step.started('main'), step.print('one'), step.print('two')],
    ...[step.wait(more.promise), step.print('three'), step.exit(0)],
  ];
  const sendLogs = results.sendLogs.bind(results);
  results.sendLogs = (frames, signal) => {
    held.resolve(frames);
    return waitFor(new Promise<never>(() => undefined), signal);
  };
  const first = await fleet.worker();
  const jobId = await fleet.submit({ name: 'long' });
  const onItsWay = await held.promise;
  await first.crash();
  results.sendLogs = sendLogs;
  const logPosition = results.logPosition.bind(results);
  results.logPosition = async (attemptId) => {
    const position = await logPosition(attemptId);
    results.logPosition = logPosition;
    await sendLogs(onItsWay, new AbortController().signal);
    return position;
  };
  await fleet.worker({ successorOf: first });
  more.resolve();
  expect(await endOf(fleet, jobId)).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(results.text(`${jobId}.1`)).toBe('one\ntwo\nthree\n');
});

test('a worker that stops leaves what still runs to its successor, and its locks live on', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const more = Promise.withResolvers<void>();
  fleet.scripts.long = () => [step.started('main'), step.wait(more.promise), step.exit(0)];
  const first = await fleet.worker({ settings: { drainMs: 50 } });
  const jobId = await fleet.submit({ name: 'long' });
  await eventually(() => first.host.launched.length === 1, { what: 'it runs' });
  await first.stop();
  const record = await fleet.valkey.hget(fleet.keys.nodes, first.name);
  expect(JSON.parse(record ?? '{}')).toMatchObject({ state: 'stopped' });
  const second = await fleet.worker({ successorOf: first });
  await eventually(() => second.node.running.size === 1, { what: 'it is taken back' });
  more.resolve();
  expect(await endOf(fleet, jobId)).toMatchObject({ state: 'succeeded', attempt: 1 });
  expect(second.host.launched).toEqual([`${jobId}.1`]);
});

test('a container that was removed while the worker was away is a loss, not a failure of the job: it runs again', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  fleet.scripts.long = (attempt) => (attempt === 1 ? [step.started('main'), step.wait()] : succeeds('again'));
  const first = await fleet.worker({ settings: { drainMs: 50 } });
  const jobId = await fleet.submit({ name: 'long' });
  await eventually(() => fleet.results.latest(`${jobId}.1`)?.state === 'running', { what: 'it runs' });
  await first.stop();
  first.host.containers.clear();
  const second = await fleet.worker({ successorOf: first });
  expect(await endOf(fleet, jobId)).toMatchObject({ state: 'succeeded', attempt: 2 });
  const lost = fleet.results.updates.find(({ attempt, outcome }) => attempt === 1 && outcome);
  expect(lost?.outcome?.death).toMatchObject({ cause: 'node_lost', phase: 'main', certainty: 'likely' });
  await nothingIsLeft(second);
});

test('a worker that stays away loses its jobs to another node, and removes its stale containers when it returns', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const settings = { lockMs: 1000, stalledCheckMs: 200 };
  fleet.scripts.job = (attempt) => (attempt === 1 ? [step.started('main'), step.wait()] : succeeds('again'));
  const first = await fleet.worker({ settings });
  const jobId = await fleet.submit({ name: 'job' });
  await eventually(() => first.host.launched.length === 1, { what: 'it runs' });
  await first.crash();
  const other = await fleet.worker({ settings });
  const end = await endOf(fleet, jobId);
  expect(end).toMatchObject({ state: 'succeeded', attempt: 2, node: other.name, lostAttempts: [1] });
  expect(first.host.containers.size).toBe(1);
  const back = await fleet.worker({ successorOf: first, settings });
  await nothingIsLeft(back);
  expect(fleet.results.updates.filter(({ final }) => final).map(({ attempt }) => attempt)).not.toContain(1);
});

test('a worker whose lock was taken kills its container and reports nothing of it', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  fleet.scripts.long = () => [step.started('main'), step.wait()];
  const worker = await fleet.worker({ settings: { lockMs: 600 } });
  const jobId = await fleet.submit({ name: 'long' });
  await eventually(() => fleet.results.latest(`${jobId}.1`)?.state === 'running', { what: 'it runs' });
  const queue = await fleet.queue();
  await fleet.valkey.set(`${queue.toKey(jobId)}:lock`, 'somebody else');
  await nothingIsLeft(worker);
  expect(fleet.results.updates.every(({ outcome }) => outcome === undefined)).toBe(true);
});

test('a job that brings down every worker that takes it is given up with that reason', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const queue = await fleet.queue();
  await queue.pause();
  const jobId = await fleet.submit({ name: 'poison' });
  await fleet.valkey.hset(queue.toKey(jobId), 'ats', 4, 'stc', 4);
  const worker = await fleet.worker();
  await queue.resume();
  const end = await endOf(fleet, jobId);
  expect(end).toMatchObject({ state: 'lost', attempt: 5, lostAttempts: [1, 2, 3, 4] });
  expect(end.outcome?.death).toMatchObject({
    cause: 'node_lost',
    message: expect.stringContaining('4 workers were lost'),
  });
  expect(worker.host.launched).toEqual([]);
});

test('two workers share a hundred jobs, and no job runs twice', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const [one, two] = [await fleet.worker(), await fleet.worker()];
  const jobs = await Promise.all(
    Array.from({ length: 100 }, (_, index) => fleet.submit({ name: `job ${index}` })),
  );
  for (const jobId of jobs)
    expect(await endOf(fleet, jobId)).toMatchObject({ state: 'succeeded', attempt: 1 });
  const launched = [...one.host.launched, ...two.host.launched];
  expect(new Set(launched).size).toBe(100);
  expect(launched).toHaveLength(100);
  expect(one.host.launched.length).toBeGreaterThan(0);
  expect(two.host.launched.length).toBeGreaterThan(0);
});

test('a job that was being stopped when its worker died ends as what it was stopped for', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  fleet.scripts.long = () => [step.started('main'), step.wait()];
  const { at, reached } = deathAt('exit');
  const first = await fleet.worker({ at });
  const jobId = await fleet.submit({ name: 'long' });
  await eventually(() => fleet.results.latest(`${jobId}.1`)?.state === 'running', { what: 'it runs' });
  await fleet.valkey.set(fleet.keys.cancel(jobId), JSON.stringify({ by: 'ada', at: 1 }));
  await fleet.valkey.publish(fleet.keys.control, JSON.stringify({ type: 'cancel', jobId }));
  // The container has ended by its SIGTERM, and the worker dies before it knows.
  await reached;
  await first.crash();
  const second = await fleet.worker({ successorOf: first });
  expect(await endOf(fleet, jobId)).toMatchObject({ state: 'cancelled', attempt: 1 });
  await nothingIsLeft(second);
});

test('an attempt whose time stood still when its worker died, before its program began, has its time limits again', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  fleet.scripts.long = () => [step.started('main'), step.wait()];
  const { at, reached } = deathAt('prepared');
  const first = await fleet.worker({ at });
  const jobId = await fleet.submit({ name: 'long', timeoutSeconds: 1 });
  await reached;
  await first.crash();
  // Its lock could not be renewed, so that the sandbox was held still.
  const journal = new Journal(first.stateDir);
  journal.saveStood(`${jobId}.1`, { ms: 0, since: Date.now() });
  journal.close();
  const second = await fleet.worker({ successorOf: first });
  expect(await endOf(fleet, jobId)).toMatchObject({ state: 'timed_out', attempt: 1 });
  await nothingIsLeft(second);
});

test('a worker whose lock was taken while Docker is away removes its container as soon as Docker is back', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  fleet.scripts.long = () => [step.started('main'), step.wait()];
  const tried = Promise.withResolvers<void>();
  let isAway = true;
  const at = (point: Point) => {
    if (point !== 'purge' || !isAway) return;
    tried.resolve();
    throw new SandboxError('docker', 'the daemon is away');
  };
  const worker = await fleet.worker({ settings: { lockMs: 600 }, at });
  const jobId = await fleet.submit({ name: 'long' });
  await eventually(() => fleet.results.latest(`${jobId}.1`)?.state === 'running', { what: 'it runs' });
  const queue = await fleet.queue();
  await fleet.valkey.set(`${queue.toKey(jobId)}:lock`, 'somebody else');
  await tried.promise;
  expect(worker.host.containers.size).toBe(1);
  isAway = false;
  await nothingIsLeft(worker);
});
