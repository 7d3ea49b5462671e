import { join } from 'node:path';
import { eventually, smallDisk, testEnvironment } from '@cronium/testing';
import { expect, test } from 'vitest';
import { AttemptLog } from '../logs/attempt-log.ts';
import { Shipper } from '../logs/shipper.ts';
import { TestFleet } from '../testing/fleet.ts';
import { ScriptedResults } from '../testing/scripted-results.ts';
import { DiskWatch } from './disk.ts';
import { readinessOf } from './readiness.ts';

const MIB = 2 ** 20;

test('a node whose disk is full takes no jobs and says so; with room again it goes on', async () => {
  using disk = smallDisk(16);
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const worker = await fleet.worker({ settings: { stateDir: disk.folder, diskMinFreeBytes: 8 * MIB } });
  const signal = new AbortController().signal;
  disk.fill(1);
  await worker.node.upkeep.checkReadiness(signal);
  const full = await readinessOf(worker.node, fleet.results);
  expect(full.ready).toBe(false);
  expect(full.checks.find(({ name }) => name === 'disk')?.message).toMatch(
    new RegExp(`^the disk of ${disk.folder} has \\d MiB left, .*CRONIUM_DISK_MIN_FREE_BYTES`),
  );
  const jobId = await fleet.submit();
  await worker.node.heartbeat();
  const record = JSON.parse((await fleet.valkey.hget(fleet.keys.nodes, worker.name)) ?? '{}');
  expect(record).toMatchObject({ state: 'not_ready', docker: { version: 'scripted' }, images: ['scripted'] });
  expect(worker.host.launched).toEqual([]);
  disk.free();
  await worker.node.upkeep.checkReadiness(signal);
  expect(await eventually(() => fleet.results.end(jobId), { what: 'it ran' })).toMatchObject({
    state: 'succeeded',
  });
});

test('a disk about at the limit does not open and shut the node', async () => {
  using disk = smallDisk(16);
  const least = (mebibytes: number) =>
    new DiskWatch({ minFreeBytes: mebibytes * MIB, folders: () => [disk.folder] });
  const watch = least(15.5);
  expect(await watch.obstacle()).toBeUndefined();
  disk.fill(1);
  expect(await watch.obstacle()).toMatch(/16 MiB on|17 MiB on/);
  disk.free();
  // Enough for the limit, not for a tenth more.
  expect(await watch.obstacle()).toMatch(/18 MiB on/);
  expect(await least(0).obstacle()).toBeUndefined();
});

test('a log whose spool is full keeps what there is room for, and counts the rest', async () => {
  using disk = smallDisk(2);
  const results = new ScriptedResults();
  const options = {
    isRefusal: () => false,
    isFault: () => false,
    onError: () => undefined,
    attemptBytes: 10 ** 9,
  };
  const shipper = new Shipper({ ...options, send: (frames, signal) => results.sendLogs(frames, signal) });
  const stopping = new AbortController();
  const running = shipper.run(stopping.signal);
  const attemptId = 'job_000000000000.1';
  const spool = { spoolFolder: join(disk.folder, 'tail'), maxBytes: 64 * MIB };
  const log = new AttemptLog({ attemptId, day: '2026-01-01', shipper, ...spool });
  let written = 0;
  // Noise: it does not get smaller.
  for (let line = 0; line < 800; line++) {
    const bytes = crypto.getRandomValues(new Uint8Array(65_536));
    await log.write({ stream: 'stdout', time: 1, bytes, newline: false }, stopping.signal);
    written += bytes.length;
  }
  await log.close(stopping.signal);
  stopping.abort();
  await running;
  const stored = results.logs.get(attemptId);
  const kept = (stored?.records ?? []).reduce((sum, one) => sum + (one.notice ? 0 : one.bytes.length), 0);
  const omitted = (stored?.headers ?? []).reduce((sum, one) => sum + one.omittedBytes, 0);
  expect(omitted).toBeGreaterThan(0);
  expect(kept + omitted).toBe(written);
  expect(results.isComplete(attemptId)).toBe(true);
});

test('a reconciliation that is asked for says what it would remove, and counts what it removed', async () => {
  await using fleet = new TestFleet(testEnvironment().valkeyUrl);
  const asked: unknown[] = [];
  const worker = await fleet.worker({
    reconcile: (dryRun) => {
      asked.push(dryRun);
      return ['container cronium-job-x', 'network cronium-job-x'];
    },
  });
  const ask = async (question: string, dryRun: boolean) => {
    const message = { type: 'reconcile', node: worker.name, dryRun, question };
    await eventually(
      async () => (await fleet.valkey.publish(fleet.keys.control, JSON.stringify(message))) > 0,
      {
        what: 'the worker listens',
      },
    );
    const answer = async () => (await fleet.valkey.get(fleet.keys.answer(question))) ?? undefined;
    return String(await eventually(answer, { what: 'its answer' }));
  };
  expect(JSON.parse(await ask('q1', true))).toEqual(['container cronium-job-x', 'network cronium-job-x']);
  const { registry } = worker.node.metrics;
  const before = await registry.text();
  await ask('q2', false);
  expect(asked).toContain(true);
  expect(asked.at(-1)).toBe(false);
  const count = (text: string) =>
    Number(/reconciled_total\{[^}]*kind="network"[^}]*\} (\d+)/.exec(text)?.[1] ?? 0);
  expect(count(await registry.text())).toBe(count(before) + 1);
});
