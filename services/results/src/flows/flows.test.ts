import {
  type FlowInput,
  type FlowPage,
  type FlowView,
  flowInput,
  type JobInput,
  jobIdForStep,
  newFlowId,
  queuePayload,
  traceIdForJob,
} from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { EventApplier } from '../ingest/apply-events.ts';
import { ingestAttempts } from '../ingest/attempts.ts';
import { Canceller } from '../ingest/cancel.ts';
import { tellOfAttempt } from '../queries/attempt-data.ts';
import { failureOf, successOf } from '../test/fleet.ts';
import { bodyOf, openService, type TestService } from '../test/service.ts';
import { FlowRunner } from './flow-runner.ts';

const job: JobInput = { type: 'script', script: { language: 'bash', source: 'true' } };
const STEPS: FlowInput['steps'] = [
  { name: 'build', job },
  { name: 'test', job, after: [{ step: 'build' }] },
  { name: 'deploy', job, after: [{ step: 'test', when: 'condition' }] },
  { name: 'tell', job, after: [{ step: 'test', when: 'failed' }] },
];

function runnerOf({ deps }: TestService) {
  const canceller = new Canceller(deps);
  const runner = new FlowRunner({ ...deps, canceller });
  return { runner, applier: new EventApplier({ ...deps, canceller, flows: runner }) };
}

/** What a producer does with a flow. */
async function put({ deps }: TestService, steps = STEPS): Promise<string> {
  const flowId = newFlowId();
  const record = {
    ...{ flowId, tenant: 'default', by: 'ann', traceId: traceIdForJob(flowId), acceptedAt: Date.now() },
    definition: flowInput.parse({ name: 'release', steps }),
  };
  await deps.valkey.set(deps.keys.flow(flowId), JSON.stringify(record));
  return flowId;
}

const view = (service: TestService, id: string) => bodyOf<FlowView>(service.get(`/v1/flows/${id}`));
const statesOf = async (service: TestService, id: string) =>
  Object.fromEntries((await view(service, id)).steps.map(({ name, state }) => [name, state]));
const queued = async ({ deps }: TestService, flowId: string, step: string) =>
  deps.queues.find(jobIdForStep(flowId, step));

async function end(service: TestService, flowId: string, step: string, how: 'ok' | 'failed'): Promise<void> {
  const id = jobIdForStep(flowId, step);
  const text = (await service.deps.queues.find(id))?.payload;
  const payload = queuePayload.parse(JSON.parse(text ?? ''));
  const updates = how === 'ok' ? successOf(id, 1, payload) : [failureOf(id, 1, { payload })];
  await ingestAttempts(service.deps.db, updates);
}

test('steps start when what they wait for has come; what cannot come is left out', async () => {
  await using service = await openService();
  const { runner, applier } = runnerOf(service);
  const id = await put(service);
  expect(await view(service, id)).toMatchObject({ state: 'running', name: 'release' });
  await applier.apply([{ type: 'flow', flowId: id, at: 1 }]);
  await runner.look();
  expect(await statesOf(service, id)).toEqual({
    ...{ build: 'started', test: 'waiting', deploy: 'waiting', tell: 'waiting' },
  });
  const payload = queuePayload.parse(JSON.parse((await queued(service, id, 'build'))?.payload ?? ''));
  expect(payload).toMatchObject({
    traceId: traceIdForJob(id),
    spec: { labels: { 'cronium.flow': id, 'cronium.step': 'build' } },
  });
  await end(service, id, 'build', 'ok');
  await runner.look();
  expect(await queued(service, id, 'test')).toBeDefined();
  const testJob = jobIdForStep(id, 'test');
  await tellOfAttempt(
    service.deps.db,
    { executionId: `${testJob}.1`, jobId: testJob, attempt: 1 },
    { condition: true },
  ).catch(() => undefined);
  await end(service, id, 'test', 'ok');
  await tellOfAttempt(
    service.deps.db,
    { executionId: `${testJob}.1`, jobId: testJob, attempt: 1 },
    { condition: true },
  );
  await runner.look();
  expect(await view(service, id)).toMatchObject({
    state: 'running',
    steps: [
      {},
      { jobState: 'succeeded', condition: true },
      { state: 'started' },
      { state: 'skipped', reason: 'test succeeded' },
    ],
  });
  await end(service, id, 'deploy', 'ok');
  await runner.look();
  expect(await view(service, id)).toMatchObject({ state: 'succeeded', done: 4, endedAt: expect.any(String) });
  const { flows } = await bodyOf<FlowPage>(service.get('/v1/flows?state=succeeded'));
  expect(flows).toMatchObject([{ id, steps: 4, done: 4 }]);
});

test('a failure takes the other way', async () => {
  await using service = await openService();
  const { runner, applier } = runnerOf(service);
  const id = await put(service);
  await applier.apply([{ type: 'flow', flowId: id, at: 1 }]);
  await runner.look();
  await end(service, id, 'build', 'ok');
  await runner.look();
  await end(service, id, 'test', 'failed');
  await runner.look();
  expect(await statesOf(service, id)).toEqual({
    ...{ build: 'ended', test: 'ended', deploy: 'skipped', tell: 'started' },
  });
  await end(service, id, 'tell', 'ok');
  await runner.look();
  expect(await view(service, id)).toMatchObject({ state: 'succeeded' });
});

test('a process may die at any point: nothing is lost, and no job is started twice', async () => {
  await using service = await openService();
  const { applier } = runnerOf(service);
  const { deps } = service;
  const id = await put(service);
  await applier.apply([{ type: 'flow', flowId: id, at: 1 }]);
  await applier.apply([{ type: 'flow', flowId: id, at: 1 }]);
  // The job is in the queue, and the process died before it noted that.
  const dying = new FlowRunner({
    ...deps,
    canceller: new Canceller(deps),
    queues: Object.assign(Object.create(deps.queues), {
      add: async (...entry: Parameters<typeof deps.queues.add>) => {
        await deps.queues.add(...entry);
        throw new Error('killed');
      },
    }),
  });
  await dying.look();
  expect(await statesOf(service, id)).toMatchObject({ build: 'starting' });
  // Meanwhile the job ran to its end, and left the queue.
  await end(service, id, 'build', 'ok');
  await deps.queues.removeWaiting(jobIdForStep(id, 'build'));
  await Promise.all([1, 2, 3].map(() => runnerOf(service).runner.look()));
  expect(await queued(service, id, 'build')).toBeUndefined();
  await eventually(
    async () => {
      await runnerOf(service).runner.look();
      expect(await statesOf(service, id)).toMatchObject({ build: 'ended', test: 'started' });
      return true;
    },
    { what: 'the flow has moved on' },
  );
  expect(await deps.valkey.exists(deps.keys.flow(id))).toBe(0);
});

test('a cancelled flow starts nothing more, and its jobs are cancelled', async () => {
  await using service = await openService();
  const { runner, applier } = runnerOf(service);
  const id = await put(service);
  await applier.apply([{ type: 'flow', flowId: id, at: 1 }]);
  await runner.look();
  const jobs = [jobIdForStep(id, 'build')];
  await applier.apply([{ type: 'accepted', queue: 'default', jobs, at: 1 }]);
  const cancel = { type: 'cancel-flow', flowId: id, tenant: 'default', by: 'ann', at: Date.now() } as const;
  await applier.apply([{ ...cancel, tenant: 'another' }]);
  expect(await statesOf(service, id)).toMatchObject({ test: 'waiting' });
  await applier.apply([cancel, cancel]);
  await runner.look();
  expect(await view(service, id)).toMatchObject({
    state: 'cancelled',
    steps: [
      { jobState: 'cancelled', state: 'ended' },
      { state: 'skipped', reason: 'the flow was cancelled by ann' },
      { state: 'skipped' },
      { state: 'skipped' },
    ],
  });
});

test('flows of another tenant are not shown', async () => {
  await using service = await openService();
  expect((await service.get(`/v1/flows/${newFlowId()}`)).status).toBe(404);
  expect((await service.get('/v1/flows/x')).status).toBe(404);
});
