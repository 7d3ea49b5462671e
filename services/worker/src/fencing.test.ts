import { join } from 'node:path';
import { eventually, startProcess, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { TestFleet } from './testing/fleet.ts';
import { succeeds } from './testing/scripted-host.ts';

const LOCK_MS = 1000;

test('a worker that was stopped past its lock kills its container when it goes on, and reports nothing of it', async () => {
  const { valkeyUrl } = testEnvironment();
  await using fleet = new TestFleet(valkeyUrl);
  await using stopped = await startProcess({
    script: join(import.meta.dirname, 'testing/lone-worker.ts'),
    args: [valkeyUrl, fleet.prefix, String(LOCK_MS)],
    ready: /^up$/,
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
