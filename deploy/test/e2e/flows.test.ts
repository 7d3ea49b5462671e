import { JOB_ID, jobIdForSchedule } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet } from './harness.ts';
import { bash, WAIT_MS } from './jobs.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.start();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const ended = (id: string) => fleet.client.flows.waitFor(id, { timeoutMs: WAIT_MS });

test('a flow of real jobs goes the way that their ends and conditions say, over a crash of results', async () => {
  const { id, steps } = await fleet.client.flows.submit({
    name: 'release',
    steps: [
      { name: 'build', job: bash('echo built') },
      { name: 'check', job: bash('. cronium.sh; cronium_set_condition true'), after: [{ step: 'build' }] },
      { name: 'deploy', job: bash('exit 3'), after: [{ step: 'check', when: 'condition' }] },
      { name: 'never', job: bash('true'), after: [{ step: 'deploy' }] },
      { name: 'undo', job: bash('echo undone'), after: [{ step: 'deploy', when: 'failed' }] },
    ],
  });
  await fleet.results.kill();
  await fleet.results.start();
  const flow = await ended(id);
  expect(flow.steps.map(({ name, state, jobState, reason }) => [name, jobState ?? state, reason])).toEqual([
    ['build', 'succeeded', null],
    ['check', 'succeeded', null],
    ['deploy', 'failed', null],
    ['never', 'skipped', 'deploy failed'],
    ['undo', 'succeeded', null],
  ]);
  expect(flow.state).toBe('succeeded');
  const jobs = await Array.fromAsync(fleet.client.jobs({ label: `cronium.flow=${id}` }));
  expect(jobs.map((job) => job.id).sort()).toEqual(
    steps
      .filter(({ name }) => name !== 'never')
      .map(({ jobId }) => jobId)
      .sort(),
  );
});

test('a schedule starts real jobs again and again, and none when it is removed', async () => {
  await fleet.client.schedules.put('often', { everySeconds: 1, job: bash('true'), overlap: 'allow' });
  const runs = () =>
    Array.fromAsync(fleet.client.jobs({ label: 'cronium.schedule=often', state: 'succeeded' }));
  await eventually(
    async () => {
      if ((await runs()).length < 2) throw new Error('not yet');
      return true;
    },
    { what: 'the schedule has run twice', timeoutMs: WAIT_MS },
  );
  await fleet.client.schedules.remove('often');
  const open = { label: 'cronium.schedule=often', state: 'queued,claimed,preparing,running,draining' };
  await eventually(async () => (await Array.fromAsync(fleet.client.jobs(open))).length === 0, {
    what: 'the jobs that it started have ended',
    timeoutMs: WAIT_MS,
  });
  const [first] = await runs();
  expect(first?.id).toMatch(JOB_ID);
  expect(await fleet.client.schedules.list()).toEqual([]);
  expect(jobIdForSchedule('default', 'often', 0)).toMatch(JOB_ID);
});
