import { readiness } from '@cronium/contracts';
import { createMetrics } from '@cronium/telemetry';
import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createApp } from './app.ts';
import { readinessOf } from './node/readiness.ts';
import { TestFleet } from './testing/fleet.ts';

function appOf(state: () => ReturnType<typeof readinessOf>) {
  return createApp({ version: '1.2.3', metrics: createMetrics('worker'), readiness: state });
}

test('health, metrics, the document and the page answer', async () => {
  const app = appOf(async () => ({ ready: true, checks: [] }));
  expect(await (await app.request('/health')).json()).toEqual({ status: 'ok', version: '1.2.3' });
  expect(await (await app.request('/metrics')).text()).toContain('process_cpu_user_seconds_total');
  const document = z
    .object({ paths: z.record(z.string(), z.unknown()) })
    .parse(await (await app.request('/openapi.json')).json());
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/health', '/ready', '/metrics']));
  expect(await (await app.request('/docs')).text()).toContain('/ready');
});

test('a node that lacks something is 503 and names it with what to do; it takes no job until then', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  let missing = [
    { name: 'shared network', message: 'valkey does not resolve on cronium-shared: add the alias' },
  ];
  const { node, host } = await fleet.worker({ blockers: () => missing });
  const app = appOf(() => readinessOf(node, fleet.results));
  const ask = async () => {
    const response = await app.request('/ready');
    return { status: response.status, ...readiness.parse(await response.json()) };
  };
  await eventually(async () => (await ask()).checks.some(({ name }) => name === 'shared network'), {
    what: 'it is named',
  });
  const jobId = await fleet.submit();
  fleet.results.away = true;
  const before = await ask();
  expect(before).toMatchObject({ status: 503, ready: false });
  expect(before.checks).toContainEqual({ name: 'shared network', ok: false, message: missing[0]?.message });
  expect(before.checks.find(({ name }) => name === 'results')?.message).toContain('CRONIUM_RESULTS_URL');
  expect(host.launched).toEqual([]);
  const record = await fleet.valkey.hget(fleet.keys.nodes, node.name);
  expect(JSON.parse(record ?? '{}')).toMatchObject({ state: 'not_ready' });
  missing = [];
  fleet.results.away = false;
  await eventually(() => fleet.results.end(jobId), {
    what: 'the job ends once nothing is missing',
    timeoutMs: 20_000,
  });
  expect(await ask()).toMatchObject({ status: 200, ready: true });
});

test('a drained node and a paused pool take no jobs until they are resumed', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const { node, name } = await fleet.worker();
  const tell = (message: object) => fleet.valkey.publish(fleet.keys.control, JSON.stringify(message));
  await fleet.valkey.hset(fleet.keys.drains, name, 'drain');
  await tell({ type: 'drain', node: name });
  await eventually(() => node.gate.obstacles().some((one) => one.name === 'drain'), { what: 'it drains' });
  await fleet.valkey.sadd(fleet.keys.pausedPools, 'default');
  await fleet.valkey.hdel(fleet.keys.drains, name);
  await tell({ type: 'resume', node: name });
  await eventually(() => node.gate.obstacles().length === 0 && !node.gate.isOpen('default'), {
    what: 'the pool is paused',
  });
  const jobId = await fleet.submit();
  await fleet.valkey.srem(fleet.keys.pausedPools, 'default');
  await tell({ type: 'pools' });
  expect(await eventually(() => fleet.results.end(jobId), { what: 'it ends' })).toMatchObject({
    state: 'succeeded',
  });
});

test('a node takes jobs only from queues that it may serve', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const settings = { pools: ['default', 'big'], labels: { gpu: 'true' } };
  const { host } = await fleet.worker({ settings });
  const served = await Promise.all([
    fleet.submit(),
    fleet.submit({ pool: 'big' }),
    fleet.submit({ requires: { gpu: 'true' } }),
  ]);
  const others = await Promise.all([
    fleet.submit({ pool: 'other' }),
    fleet.submit({ requires: { gpu: 'false' } }),
  ]);
  for (const jobId of served) await eventually(() => fleet.results.end(jobId), { what: `${jobId} ends` });
  expect(host.launched.toSorted()).toEqual(served.map((jobId) => `${jobId}.1`).toSorted());
  expect(others.some((jobId) => fleet.results.end(jobId))).toBe(false);
});
