import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { eventually, startProcess, testEnvironment } from '@cronium/testing';
import { describe, expect, test } from 'vitest';
import { type Point, TestFleet } from './testing/fleet.ts';
import { succeeds } from './testing/scripted-host.ts';

const LOCK_MS = 1000;
const STANDSTILL_MS = 10_000;

test('a worker that was stopped past its lock kills its container when it goes on, and reports nothing of it', async () => {
  const { valkeyUrl } = testEnvironment();
  await using fleet = new TestFleet(valkeyUrl);
  await using stopped = await startProcess({
    script: join(import.meta.dirname, 'testing/lone-worker.ts'),
    args: [valkeyUrl, fleet.prefix, String(LOCK_MS)],
    ready: /^up (\S+)$/,
  });
  const jobId = await fleet.submit({ name: 'long' });
  await stopped.line(new RegExp(`^launched ${jobId}\\.1$`));
  stopped.signal('SIGSTOP');
  fleet.scripts.long = () => succeeds('done elsewhere');
  await fleet.worker({ settings: { lockMs: LOCK_MS, stalledCheckMs: 200 } });
  const end = await eventually(() => fleet.results.end(jobId), { what: 'another node ran the job' });
  expect(end).toMatchObject({ state: 'succeeded', attempt: 2, lostAttempts: [1] });
  stopped.signal('SIGCONT');
  await stopped.line(new RegExp(`^purge ${jobId}\\.1$`));
  await stopped.kill('SIGTERM');
  expect(stopped.lines()).toContain('running 0');
  expect(stopped.lines().filter((line) => /^(reported|launch) /.test(line))).toEqual([`launch ${jobId}.1`]);
});

async function loneWorker(prefix: string, lockMs: number) {
  const { valkeyUrl } = testEnvironment();
  const script = join(import.meta.dirname, 'testing/lone-worker.ts');
  return startProcess({ script, args: [valkeyUrl, prefix, String(lockMs)], ready: /^up (\S+)$/ });
}

test('a worker whose event loop stood still for longer than its lock holds its job still, then goes on with it', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  await using worker = await loneWorker(fleet.prefix, LOCK_MS);
  const jobId = await fleet.submit({ name: 'long' });
  await worker.line(new RegExp(`^launched ${jobId}\\.1$`));
  worker.signal('SIGUSR2');
  await worker.line(/^blocked$/);
  await worker.line(new RegExp(`^thaw ${jobId}\\.1$`));
  await worker.kill('SIGTERM');
  expect(worker.lines()).toContain('running 1');
  const steps = worker.lines().filter((line) => /^(launch|freeze|thaw|purge|reported) /.test(line));
  expect(new Set(steps)).toEqual(new Set(['launch', 'freeze', 'thaw'].map((step) => `${step} ${jobId}.1`)));
});

test('an idle worker that stood still for longer than it bears silence claims the next job', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  await using worker = await loneWorker(fleet.prefix, LOCK_MS);
  await fleet.queue();
  await eventually(() => isBlocked(fleet, worker.ready?.[1] ?? ''), { what: 'it waits for work' });
  worker.signal('SIGSTOP');
  // The fault itself: every deadline of the wait for work, and of its connection, has passed when the process goes on.
  await setTimeout(STANDSTILL_MS);
  worker.signal('SIGCONT');
  await worker.line(/^stood still$/);
  const jobId = await fleet.submit({ name: 'job' });
  await worker.line(new RegExp(`^reported ${jobId}\\.1 succeeded$`));
  await worker.kill('SIGTERM');
});

/** Does a connection of this worker block in Valkey? */
async function isBlocked(fleet: TestFleet, name: string): Promise<boolean> {
  const connections = String(await fleet.valkey.client('LIST')).split('\n');
  return connections.some((line) => line.includes(name) && line.includes(' flags=b '));
}

test('a clock that steps by ten minutes, forth and back, ends no lock and no job', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  await using worker = await loneWorker(fleet.prefix, LOCK_MS);
  const other = await fleet.worker({
    settings: { lockMs: LOCK_MS, stalledCheckMs: 200, slots: 1 },
    name: 'other',
  });
  other.node.gate.set('test', 'it only looks for stalled jobs');
  const jobId = await fleet.submit({ name: 'long', timeoutSeconds: 60 });
  await worker.line(new RegExp(`^launched ${jobId}\\.1$`));
  const queue = await fleet.queue();
  const renewed = async () => {
    const left = () => fleet.valkey.pttl(`${queue.toKey(jobId)}:lock`);
    let last = await left();
    const grew = async () => {
      const before = last;
      last = await left();
      return last > before;
    };
    await eventually(grew, { what: 'the lock is renewed', everyMs: 20 });
  };
  for (const offset of ['600000', '-600000']) {
    worker.signal('SIGHUP');
    await worker.line(new RegExp(`^stepped ${offset}$`));
    // Four renewals: more than a lock's time.
    for (let renewals = 0; renewals < 4; renewals++) await renewed();
  }
  await fleet.valkey.set(fleet.keys.cancel(jobId), JSON.stringify({ by: 'ada', at: 1 }));
  await worker.line(new RegExp(`^reported ${jobId}\\.1 cancelled$`));
  await worker.kill('SIGTERM');
  expect(worker.lines().filter((line) => line.startsWith('launch '))).toEqual([`launch ${jobId}.1`]);
});

describe('a cancel, asked for twice', () => {
  const POINTS: readonly Point[] = ['prepare', 'prepared', 'launch', 'launched', 'output', 'exit', 'release'];
  test.each(POINTS)('at %s leaves one terminal state', async (point) => {
    await using fleet = new TestFleet(testEnvironment().valkeyUrl);
    fleet.scripts.job = () => succeeds('a', 'b');
    let asked = false;
    const cancel = async (jobId: string) => {
      await fleet.valkey.set(fleet.keys.cancel(jobId), JSON.stringify({ by: 'ada', at: 1 }));
      for (const _ of [1, 2]) {
        await fleet.valkey.publish(fleet.keys.control, JSON.stringify({ type: 'cancel', jobId }));
      }
    };
    const worker = await fleet.worker({
      at: async (now, attemptId) => {
        if (asked || now !== point) return;
        asked = true;
        await cancel(attemptId.split('.')[0] ?? '');
      },
    });
    const jobId = await fleet.submit({ name: 'job', retry: { attempts: 3 } });
    const end = await eventually(() => fleet.results.end(jobId), { what: 'it ended', timeoutMs: 20_000 });
    expect(['cancelled', 'succeeded']).toContain(end.state);
    await eventually(() => worker.node.running.size === 0 && worker.host.containers.size === 0, {
      what: 'nothing is left of it',
    });
    const ends = new Set(fleet.results.updates.filter(({ final }) => final).map(({ state }) => state));
    expect(ends).toEqual(new Set([end.state]));
    expect(asked).toBe(true);
    expect(await (await fleet.queue()).getJob(jobId)).toBeUndefined();
  });
});

test('a worker that is killed at random times and started again accounts for every job', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const jobs = await Promise.all(
    Array.from({ length: 60 }, (_, index) => fleet.submit({ name: `job ${index}` })),
  );
  let worker = await fleet.worker({ settings: { slots: 3 } });
  for (let kills = 0; kills < 12; kills++) {
    const before = fleet.results.updates.length;
    // Not a pause: it dies when something more has happened, whatever that is.
    await eventually(
      () => fleet.results.updates.length > before + (kills % 5) || worker.node.running.size === 0,
      {
        what: 'something happens',
        everyMs: 1,
      },
    );
    await worker.crash();
    worker = await fleet.worker({ successorOf: worker, settings: { slots: 3 } });
  }
  for (const jobId of jobs) {
    const end = await eventually(() => fleet.results.end(jobId), {
      what: `${jobId} has ended`,
      timeoutMs: 30_000,
    });
    expect(end.state).toBe('succeeded');
    expect(fleet.results.text(end.attemptId)).toBe(`${end.payload.spec.name}\n`);
  }
  expect(worker.host.doubled).toEqual([]);
  await eventually(() => worker.host.containers.size === 0, { what: 'nothing is left' });
  expect(new Set(worker.host.launched).size).toBe(worker.host.launched.length);
});
