import { acceptedFlow, flowRecord, jobIdForStep } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { JOB, startApp } from '../test/harness.ts';
import { scriptedResults } from '../test/scripted-results.ts';

const FLOW = {
  name: 'release',
  steps: [
    { name: 'build', job: JOB },
    { name: 'deploy', job: JOB, after: [{ step: 'build' }] },
  ],
};

test('a flow is in Valkey, and results is told, when it is answered; a repeat is the same flow', async () => {
  await using app = await startApp();
  const headers = { 'idempotency-key': 'k', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
  const answer = await app.post('/v1/flows', FLOW, headers);
  expect(answer.status).toBe(202);
  const flow = acceptedFlow.parse(await answer.json());
  expect(flow).toEqual({
    id: expect.stringMatching(/^flow_/),
    traceId: 'a'.repeat(32),
    steps: [
      { name: 'build', jobId: jobIdForStep(flow.id, 'build') },
      { name: 'deploy', jobId: jobIdForStep(flow.id, 'deploy') },
    ],
  });
  const stored = flowRecord.parse(JSON.parse((await app.valkey.get(app.keys.flow(flow.id))) ?? ''));
  expect(stored).toMatchObject({ tenant: 'default', by: 'tests', parentSpanId: 'b'.repeat(16) });
  expect(await app.events()).toEqual([{ type: 'flow', flowId: flow.id, at: expect.any(Number) }]);
  expect(await (await app.post('/v1/flows', FLOW, headers)).json()).toEqual(flow);
  expect((await app.post('/v1/flows', { ...FLOW, name: 'other' }, headers)).status).toBe(422);
  expect((await app.deeds()).map(({ action }) => action)).toEqual(['flow.submit']);
});

test('one that waits in a circle is refused, with the steps', async () => {
  await using app = await startApp();
  const steps = [
    { name: 'a', job: JOB, after: [{ step: 'b' }] },
    { name: 'b', job: JOB, after: [{ step: 'a' }] },
  ];
  const answer = await app.post('/v1/flows', { steps });
  expect(answer.status).toBe(422);
  expect(await answer.json()).toMatchObject({
    errors: [{ path: 'steps', message: 'wait for each other in a circle: a, b' }],
  });
});

test('a step may wait as long as a job may', async () => {
  await using app = await startApp();
  const job = { ...JOB, runAt: '9999-01-01T00:00:00Z' };
  const answer = await app.post('/v1/flows', {
    steps: [
      { name: 'a', job: JOB },
      { name: 'b', job },
    ],
  });
  expect(answer.status).toBe(422);
  expect(await answer.json()).toMatchObject({ errors: [{ path: 'steps[1].job.runAt' }] });
});

test('a key of a flow is no key of a job', async () => {
  await using app = await startApp();
  expect((await app.post('/v1/flows', FLOW, { 'idempotency-key': 'k' })).status).toBe(202);
  expect((await app.post('/v1/jobs', JOB, { 'idempotency-key': 'flow k' })).status).toBe(202);
});

test('a cancel is told to results', async () => {
  await using app = await startApp();
  const { id } = acceptedFlow.parse(await (await app.post('/v1/flows', FLOW)).json());
  expect((await app.post(`/v1/flows/${id}/cancel`, {})).status).toBe(202);
  expect((await app.events()).at(-1)).toMatchObject({ type: 'cancel-flow', flowId: id, by: 'tests' });
});

test('a flow that has ended is not cancelled, and one that nobody knows is not found', async () => {
  await using results = await scriptedResults({
    '/v1/flows/flow_000000000001': { state: 'failed' },
    '/v1/flows/flow_000000000002': { state: 'running' },
  });
  await using app = await startApp({ resultsUrl: results.url });
  const cancel = async (n: number) => (await app.post(`/v1/flows/flow_00000000000${n}/cancel`, {})).status;
  expect([await cancel(1), await cancel(2), await cancel(3)]).toEqual([409, 202, 404]);
});

test('a step that is named alone is told how to say it', async () => {
  await using app = await startApp();
  const answer = await app.post('/v1/flows', {
    steps: [FLOW.steps[0], { name: 'deploy', job: JOB, after: ['build'] }],
  });
  expect(await answer.json()).toMatchObject({
    errors: [{ path: 'steps[1].after[0]', message: expect.stringContaining('must be {"step": NAME}') }],
  });
});
