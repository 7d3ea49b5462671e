import { type NodeRecord, nodeRecord } from '@cronium/contracts';
import { eventually, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { Gate } from '../claim/gate.ts';
import { TestFleet } from '../testing/fleet.ts';
import { NameClaim } from './name-claim.ts';
import { readinessOf } from './readiness.ts';

test('of two workers under one name the second takes no jobs and touches nothing, until the first has stopped', async () => {
  const { valkeyUrl } = testEnvironment();
  await using fleet = new TestFleet(valkeyUrl);
  await using elsewhere = new TestFleet(valkeyUrl, fleet.prefix);
  const reported = async () =>
    nodeRecord.parse(JSON.parse((await fleet.valkey.hget(fleet.keys.nodes, 'twin')) ?? ''));
  const first = await fleet.worker({ name: 'twin' });
  const { keys } = await eventually(reported, { what: 'the first has reported' });
  const second = await elsewhere.worker({ name: 'twin', reconcile: () => ['container of the first'] });
  await eventually(() => second.node.gate.has('name'), { what: 'the second has seen the first' });
  const { ready, checks } = await readinessOf(second.node, elsewhere.results);
  expect(ready).toBe(false);
  expect(JSON.stringify(checks)).toContain('give one of the two a CRONIUM_NODE of its own');
  await second.node.heartbeat();
  expect((await reported()).keys).toEqual(keys);
  expect(await second.node.upkeep.reconcile({ dryRun: false })).toEqual([]);
  await fleet.submit();
  await eventually(() => first.host.launched.length === 1, { what: 'the first runs the job' });
  await first.stop();
  await fleet.submit();
  await eventually(() => second.host.launched.length === 1, { what: 'the second runs the next one' });
  const isKnown = async () => (await reported()).keys[0]?.kid !== keys[0]?.kid;
  await eventually(isKnown, { what: 'the second has reported' });
  expect(first.host.launched.length).toBe(1);
});

test('a worker that reports nothing new for some time has lost its name', async () => {
  const report = (seenAt: number): NodeRecord =>
    nodeRecord.parse({
      ...{ node: 'n', version: '1', pools: [], labels: {}, slots: 1, busy: 0, state: 'ready', reasons: [] },
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', kid: 'other' }],
      ...{ startedAt: 1, seenAt },
    });
  const gate = new Gate({ obstacles: () => [] });
  let last = report(1);
  const claim = new NameClaim({ node: 'n', kid: 'ours', gate, record: async () => last, silentMs: 100 });
  expect(await claim.isOurs()).toBe(false);
  expect(gate.has('name')).toBe(true);
  await eventually(() => claim.isOurs(), { what: 'it is taken for gone' });
  expect(gate.has('name')).toBe(false);
  last = report(2);
  expect(await claim.isOurs()).toBe(false);
  last = { ...last, state: 'stopped' };
  expect(await claim.isOurs()).toBe(true);
});
