import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type NodeRecord, nodeRecord } from '@cronium/contracts';
import { eventually, startProcess, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { Gate } from '../claim/gate.ts';
import { TestFleet } from '../testing/fleet.ts';
import { limitedUser } from '../testing/limited-user.ts';
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

test('a worker that stood still until another one had its name claims and removes nothing when it goes on', async () => {
  const { valkeyUrl } = testEnvironment();
  await using fleet = new TestFleet(valkeyUrl);
  await using first = await startProcess({
    script: join(import.meta.dirname, '../testing/lone-worker.ts'),
    args: [valkeyUrl, fleet.prefix, '3000', 'twin'],
    ready: /^up twin$/,
  });
  // At its start, and then every fifteen seconds: one is due when it goes on.
  await first.line(/^reconciled$/);
  const report = async () =>
    nodeRecord.parse(JSON.parse((await fleet.valkey.hget(fleet.keys.nodes, 'twin')) ?? ''));
  const { keys } = await eventually(report, { what: 'the first has reported' });
  first.signal('SIGSTOP');
  const second = await fleet.worker({ name: 'twin' });
  second.node.gate.set('test', 'the job waits for the first');
  const isTaken = async () => (await report()).keys[0]?.kid !== keys[0]?.kid;
  await eventually(isTaken, { what: 'the second has the name' });
  const jobId = await fleet.submit();
  const before = first.lines().length;
  first.signal('SIGCONT');
  await first.line(/^stood still$/);
  await first.line(/^gave way$/);
  second.node.gate.set('test', undefined);
  await eventually(() => fleet.results.end(jobId), { what: 'the second has run the job' });
  expect(second.host.launched).toEqual([`${jobId}.1`]);
  await first.kill('SIGTERM');
  expect(first.lines().slice(before).toSorted()).toEqual(['gave way', 'running 0', 'stood still']);
});

test('a worker whose reports are not taken for some time claims nothing', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  await using user = await limitedUser(fleet);
  const mute = await fleet.worker({ valkeyUrl: user.valkeyUrl, name: 'mute' });
  const other = await fleet.worker();
  await fleet.queue();
  const reported = () => fleet.valkey.hget(fleet.keys.nodes, 'mute');
  await eventually(async () => (await reported()) !== null, { what: 'it has reported' });
  // It may read everything, and write all but the fleet's own keys.
  await user.set('resetkeys', '%R~*', `~${fleet.prefix}:default:*`);
  await eventually(() => !mute.node.isNameSure, { what: 'its last report is old' });
  const jobs = await Promise.all(Array.from({ length: 5 }, () => fleet.submit()));
  for (const jobId of jobs) await eventually(() => fleet.results.end(jobId), { what: `${jobId} has ended` });
  expect(mute.host.launched).toEqual([]);
  expect(other.host.launched.toSorted()).toEqual(jobs.map((jobId) => `${jobId}.1`).toSorted());
});

test('a report that is carried out late is not written over another worker’s', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const { node } = await fleet.worker();
  const report = (kid: string, seenAt: number, state: NodeRecord['state'] = 'ready') =>
    nodeRecord.parse({
      ...{ node: 'n', version: '1', pools: [], labels: {}, slots: 1, busy: 0, state, reasons: [] },
      keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'x', kid }],
      ...{ startedAt: 1, seenAt },
    });
  const { store } = node;
  expect(await store.publishNode(report('first', 1), undefined)).toBe(true);
  expect(await store.publishNode(report('second', 2), undefined)).toBe(false);
  expect(await store.publishNode(report('second', 3), report('first', 1))).toBe(true);
  expect(await store.publishNode(report('first', 4), report('first', 1))).toBe(false);
  expect(await store.nodeRecord('n')).toMatchObject({ seenAt: 3 });
  expect(await store.publishNode(report('second', 5, 'stopped'), report('second', 3))).toBe(true);
  expect(await store.publishNode(report('first', 6), undefined)).toBe(true);
});

test('a name is sure for some time after a report, and not after an answer that was heard late', async () => {
  const gate = new Gate({ obstacles: () => [] });
  const answer = Promise.withResolvers<undefined>();
  let record = async (): Promise<NodeRecord | undefined> => undefined;
  const claim = new NameClaim({ node: 'n', kid: 'ours', gate, record: () => record(), sureMs: 100 });
  let published = 0;
  const publish = async () => {
    published += 1;
    return true;
  };
  expect(claim.isSure).toBe(false);
  await eventually(
    async () => {
      await claim.report(publish);
      return claim.isSure;
    },
    { what: 'a report was quick' },
  );
  await eventually(() => !claim.isSure, { what: 'it is old' });
  record = () => answer.promise;
  const before = published;
  const late = claim.report(publish);
  await pause(200);
  answer.resolve(undefined);
  await expect(late).rejects.toThrow('too late');
  expect(published).toBe(before);
  expect(claim.isSure).toBe(false);
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
