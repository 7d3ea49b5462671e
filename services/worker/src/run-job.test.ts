import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { ResultsError } from './report/results-client.ts';
import { SandboxError } from './sandbox/runtime.ts';
import { fleetWith } from './testing/fleet-with.ts';
import { step, succeeds } from './testing/scripted-host.ts';

test('a job that prints and succeeds ends as succeeded with its whole log and its moments', async () => {
  await using set = await fleetWith();
  const end = await set.run(succeeds('one', '', 'three'));
  expect(end.outcome).toEqual({ state: 'succeeded', exitCode: 0, death: null });
  expect(set.fleet.results.text(end.attemptId)).toBe('one\n\nthree\n');
  expect(set.fleet.results.isComplete(end.attemptId)).toBe(true);
  const moments = end.timeline.map(({ moment }) => moment);
  expect(moments).toEqual(
    expect.arrayContaining([
      'claimed',
      'network_ended',
      'start_ended',
      'main_started',
      'first_byte',
      'main_ended',
      'drain_ended',
    ]),
  );
  await set.queueIsEmpty();
  await eventually(() => set.worker.host.containers.size === 0, { what: 'the container is removed' });
  await eventually(
    () => set.fleet.results.latest(end.attemptId)?.timeline.some((one) => one.moment === 'teardown_ended'),
    {
      what: 'the teardown is told',
    },
  );
});

test('the tenant’s script before all its jobs goes with each job; a failing one is named, and the job never runs', async () => {
  await using set = await fleetWith();
  await set.fleet.valkey.hset(set.fleet.keys.preTasks, 'test', 'echo before', 'other', 'exit 1');
  const end = await set.run([step.started('tenantPreTask'), step.ended('tenantPreTask', 7), step.exit(7)]);
  expect(set.worker.host.requests.at(-1)?.tenantPreTask).toBe('echo before');
  expect(end.outcome).toMatchObject({
    state: 'failed',
    exitCode: 7,
    death: {
      cause: 'setup',
      phase: 'preTask',
      message: expect.stringContaining("tenant's pre-task script failed with exit code 7"),
    },
  });
  expect(end.timeline.map(({ moment }) => moment)).toEqual(
    expect.arrayContaining(['tenant_pre_task_started', 'tenant_pre_task_ended']),
  );
});

test('a job that names secrets waits in the queue while results is away, and then gets what is set', async () => {
  await using set = await fleetWith();
  const { results } = set.fleet;
  let asked = 0;
  results.secretsOf = async (attemptId) => {
    asked += 1;
    if (asked < 8) throw new ResultsError('UNAVAILABLE', 'away');
    return { TOKEN: `of ${attemptId}` };
  };
  const end = await set.run(succeeds('done'), { secrets: ['TOKEN', 'MISSING'] });
  expect(end).toMatchObject({ attempt: 1, outcome: { state: 'succeeded' } });
  expect(set.worker.host.requests.at(-1)?.secrets).toEqual({ TOKEN: `of ${end.attemptId}` });
});

test('the log is complete at the moment the job shows as ended', async () => {
  await using set = await fleetWith();
  set.fleet.results.onCall = (call) => {
    const ended = set.fleet.results.updates.find(({ final }) => final);
    if (ended && call === 'updates') expect(set.fleet.results.isComplete(ended.attemptId)).toBe(true);
  };
  const end = await set.run(succeeds(...Array.from({ length: 2000 }, (_, line) => `line ${line}`)));
  expect(set.fleet.results.logs.get(end.attemptId)?.records).toHaveLength(2000);
});

test('a failing job is a result: exit code, phase and the end of its log', async () => {
  await using set = await fleetWith();
  const end = await set.run([step.started('main'), step.print('out of cheese', true), step.exit(3)]);
  expect(end.state).toBe('failed');
  expect(end.outcome?.death).toMatchObject({
    cause: 'exit',
    certainty: 'certain',
    phase: 'main',
    exitCode: 3,
  });
  expect(end.outcome?.death?.evidence.logTail).toEqual(['out of cheese']);
});

test('a failing setup ends the job with that cause and its own exit code', async () => {
  await using set = await fleetWith();
  const end = await set.run([
    step.started('setup'),
    step.print('no network'),
    step.ended('setup', 7),
    step.exit(7),
  ]);
  expect(end.outcome?.death).toMatchObject({ cause: 'setup', phase: 'setup', exitCode: 7 });
});

test('a job that runs past its timeout is stopped and is timed_out; one that ignores SIGTERM is killed', async () => {
  await using set = await fleetWith();
  const meek = await set.run([step.started('main'), step.wait()], { timeoutSeconds: 0.2 });
  expect(meek.outcome?.death).toMatchObject({
    cause: 'timed_out',
    certainty: 'certain',
    phase: 'main',
    signal: 'SIGTERM',
  });
  const stubborn = await set.run([step.started('main'), step.ignoreTerm()], { timeoutSeconds: 0.2 });
  expect(stubborn.state).toBe('timed_out');
  expect(stubborn.outcome?.death).toMatchObject({ cause: 'timed_out', signal: 'SIGKILL' });
});

test('setup has a deadline of its own, and the job’s timeout does not count it', async () => {
  const settings = {
    limits: { setupTimeoutMs: 300, stopGraceMs: 50, logMaxBytes: 1e6, spoolFolder: '/nonexistent' },
  };
  await using set = await fleetWith({ settings });
  const end = await set.run([step.started('setup'), step.wait()], { timeoutSeconds: 0.05 });
  expect(end.state).toBe('timed_out');
  expect(end.outcome?.death).toMatchObject({ cause: 'setup', phase: 'setup' });
});

test('an image that cannot be had is the job’s failure, with the registry’s words', async () => {
  const at = (point: string) => {
    if (point === 'prepare')
      throw new SandboxError('image', 'the image nope:1 is not there: manifest unknown');
  };
  await using set = await fleetWith({ at });
  const end = await set.run(succeeds());
  expect(end.state).toBe('failed');
  expect(end.outcome?.death).toMatchObject({
    cause: 'image',
    phase: 'preparing',
    message: expect.stringContaining('manifest unknown'),
  });
});

test('a daemon that fails is tried again, and no failure of the job', async () => {
  let failures = 1;
  const at = (point: string) => {
    if (point === 'prepare' && failures-- > 0)
      throw new SandboxError('docker', 'create container: the daemon did not answer');
  };
  await using set = await fleetWith({ at });
  const end = await set.run(succeeds('second time'));
  expect(end).toMatchObject({ state: 'succeeded', attempt: 2 });
  const first = set.fleet.results.latest(`${end.jobId}.1`);
  expect(first?.outcome).toMatchObject({ state: 'lost', death: { cause: 'daemon' } });
  expect(first?.final).toBe(false);
});

test('no free subnet is back-pressure: the job waits, and the wait is no attempt', async () => {
  let full = 2;
  const at = (point: string) => {
    if (point === 'prepare' && full-- > 0) throw new SandboxError('capacity', 'no subnet is free');
  };
  await using set = await fleetWith({ at });
  const end = await set.run(succeeds('room'));
  expect(end).toMatchObject({ state: 'succeeded', attempt: 1, lostAttempts: [] });
  expect(end.payload.postponed).toBe(2);
});

test('a job that lost its sidecar for good is stopped with that cause, and run again', async () => {
  await using set = await fleetWith();
  set.fleet.scripts.job = (attempt) =>
    attempt === 1 ? [step.started('main'), step.loseSidecar(), step.wait()] : succeeds('again');
  const end = await set.ended(await set.fleet.submit({ name: 'job' }));
  expect(end).toMatchObject({ state: 'succeeded', attempt: 2 });
  expect(set.fleet.results.latest(`${end.jobId}.1`)?.outcome).toMatchObject({
    state: 'lost',
    death: { cause: 'sidecar', certainty: 'certain', phase: 'main', signal: 'SIGTERM' },
  });
});

test('a retry policy tries again after its delay, and the last failure is final', async () => {
  await using set = await fleetWith();
  const retry = { attempts: 2, backoff: { type: 'fixed', delaySeconds: 0.1 } };
  const end = await set.run([step.started('main'), step.exit(1)], { retry });
  expect(end).toMatchObject({ attempt: 2, state: 'failed' });
  const first = set.fleet.results.updates.find(({ attempt, outcome }) => attempt === 1 && outcome);
  expect(first).toMatchObject({ state: 'queued', final: false, outcome: { state: 'failed' } });
});

test('a payload that cannot be read ends that job with the reason, and the worker goes on', async () => {
  await using set = await fleetWith();
  const other = await set.fleet.submit({ name: 'other version' }, (payload) => ({ ...payload, v: 9 }));
  const corrupt = await set.fleet.submit({ name: 'corrupt' }, () => 'not an object');
  const good = await set.fleet.submit({ name: 'good' });
  expect((await set.ended(other)).outcome?.death?.message).toMatch(/cannot be read \(v: /);
  expect((await set.ended(other)).payload.spec.name).toBe('other version');
  expect((await set.ended(corrupt)).outcome?.state).toBe('failed');
  expect((await set.ended(good)).state).toBe('succeeded');
  await set.queueIsEmpty();
});

test('data that is not JSON at all, and options that are not, end their jobs too', async () => {
  await using set = await fleetWith();
  const queue = await set.fleet.queue();
  await queue.pause();
  const data = await set.fleet.submit();
  const options = await set.fleet.submit();
  await set.fleet.valkey.hset(queue.toKey(data), 'data', '{cut off');
  await set.fleet.valkey.hset(queue.toKey(options), 'opts', '{cut off');
  await queue.resume();
  expect((await set.ended(data)).outcome?.death?.message).toContain('not JSON');
  expect((await set.ended(options)).outcome?.state).toBe('failed');
  await set.queueIsEmpty();
});

test('while results is away jobs run on, and everything is told when it is back', async () => {
  await using set = await fleetWith({ settings: { slots: 2 } });
  set.fleet.results.away = true;
  const jobs = await Promise.all(
    Array.from({ length: 6 }, (_, index) => set.fleet.submit({ name: `job ${index}` })),
  );
  await eventually(() => set.worker.host.launched.length === 6, { what: 'all ran while results was away' });
  expect(set.fleet.results.updates).toEqual([]);
  set.fleet.results.away = false;
  for (const [index, jobId] of jobs.entries()) {
    expect((await set.ended(jobId)).state).toBe('succeeded');
    expect(set.fleet.results.text(`${jobId}.1`)).toBe(`job ${index}\n`);
  }
  expect(set.worker.host.launched).toHaveLength(6);
});

test('a node with too much untold takes no more jobs until it is told', async () => {
  await using set = await fleetWith({ settings: { slots: 1, backlogMax: 2 } });
  set.fleet.results.away = true;
  const jobs = await Promise.all(Array.from({ length: 5 }, () => set.fleet.submit()));
  await eventually(() => set.worker.node.gate.obstacles().some(({ name }) => name === 'backlog'), {
    what: 'the gate closes',
  });
  expect(set.worker.host.launched).toHaveLength(2);
  set.fleet.results.away = false;
  for (const jobId of jobs) expect((await set.ended(jobId)).state).toBe('succeeded');
});

test('an attempt that results knows a newer one of is killed and not reported', async () => {
  await using set = await fleetWith({ settings: { lockMs: 60_000 } });
  set.fleet.scripts.long = () => [step.started('main'), step.wait()];
  const jobId = await set.fleet.submit({ name: 'long' });
  await eventually(() => set.worker.host.launched.length === 1, { what: 'it runs' });
  set.fleet.results.answers.set(`${jobId}.1`, 'stale');
  set.worker.node.running.ofJob(jobId)[0]?.tell();
  await eventually(() => set.worker.host.containers.size === 0 && set.worker.node.running.size === 0, {
    what: 'it is killed',
  });
  expect(set.fleet.results.end(jobId)).toBeUndefined();
});

test('a job that had ended with an attempt before is taken out of the queue and not run again', async () => {
  await using set = await fleetWith();
  const queue = await set.fleet.queue();
  await queue.pause();
  const jobId = await set.fleet.submit();
  set.fleet.results.answers.set(`${jobId}.1`, 'ended');
  await queue.resume();
  await eventually(async () => (await queue.getJob(jobId)) === undefined, {
    what: 'the queue has forgotten it',
  });
  expect(set.fleet.results.end(jobId)).toBeUndefined();
});

test('an output larger than the limit keeps head and tail and counts what is missing', async () => {
  const limits = { setupTimeoutMs: 5000, stopGraceMs: 50, logMaxBytes: 10_000, spoolFolder: '/nonexistent' };
  await using set = await fleetWith({ settings: { limits } });
  const lines = Array.from({ length: 5000 }, (_, line) => `line ${String(line).padStart(6, '0')}`);
  const end = await set.run(succeeds(...lines));
  const log = set.fleet.results.logs.get(end.attemptId);
  const notice = log?.records.find((record) => record.notice);
  const written = lines.join('\n').length + 1;
  const kept = (log?.records ?? [])
    .filter((record) => !record.notice)
    .reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
  const omitted = (log?.headers ?? []).reduce((sum, header) => sum + header.omittedBytes, 0);
  expect(kept + omitted).toBe(written);
  expect(kept).toBeGreaterThan(8000);
  expect(kept).toBeLessThanOrEqual(10_000);
  expect(Buffer.from(notice?.bytes ?? []).toString()).toContain(`${omitted} bytes were left out`);
  const text = set.fleet.results.text(end.attemptId);
  expect(text.startsWith('line 000000\n')).toBe(true);
  expect(text.endsWith('line 004999\n')).toBe(true);
  expect(log?.headers.at(-1)?.stdoutEnd).toBe(written);
});
