import { BATCH_CANCELLED, newBatchId } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { fleetWith } from './testing/fleet-with.ts';
import { step } from './testing/scripted-host.ts';

test('a cancel of a running job ends it as cancelled, by whom', async () => {
  await using set = await fleetWith();
  set.fleet.scripts.long = () => [step.started('main'), step.wait()];
  const jobId = await set.fleet.submit({ name: 'long' });
  await eventually(() => set.fleet.results.latest(`${jobId}.1`)?.state === 'running', { what: 'it runs' });
  const { keys, valkey } = set.fleet;
  await valkey.set(keys.cancel(jobId), JSON.stringify({ by: 'ada', reason: 'wrong input', at: 1 }));
  await valkey.publish(keys.control, JSON.stringify({ type: 'cancel', jobId }));
  const end = await set.ended(jobId);
  expect(end.state).toBe('cancelled');
  expect(end.outcome?.death?.message).toContain('ada (wrong input)');
});

test('a cancel is seen at the next renewal when its message was lost, and before a claimed job starts', async () => {
  await using set = await fleetWith({ settings: { lockMs: 600 } });
  set.fleet.scripts.long = () => [step.started('main'), step.wait()];
  const { keys, valkey } = set.fleet;
  const jobId = await set.fleet.submit({ name: 'long' });
  await eventually(() => set.fleet.results.latest(`${jobId}.1`)?.state === 'running', { what: 'it runs' });
  await valkey.set(keys.cancel(jobId), JSON.stringify({ by: 'ada', at: 1 }));
  expect((await set.ended(jobId)).state).toBe('cancelled');

  const queue = await set.fleet.queue();
  await queue.pause();
  const second = await set.fleet.submit({ name: 'second' });
  await valkey.set(keys.cancel(second), JSON.stringify({ by: 'ada', at: 1 }));
  await queue.resume();
  expect((await set.ended(second)).state).toBe('cancelled');
  expect(set.worker.host.launched).not.toContain(`${second}.1`);
  // It was begun while that was asked.
  const { begun } = set.worker.host;
  expect([begun.get(`${jobId}.1`), begun.get(`${second}.1`)]).toEqual(['taken', 'given back']);
});

test('a cancelled batch ends what runs of it and starts no more of what it had, but what is put back later', async () => {
  await using set = await fleetWith();
  set.fleet.scripts.long = () => [step.started('main'), step.wait()];
  const { keys, valkey } = set.fleet;
  const batchId = newBatchId();
  const cancelledAt = Date.now();
  const submit = (name: string, acceptedAt: number) =>
    set.fleet.submit({ name }, (payload) => ({ ...payload, batchId, acceptedAt }));
  const running = await submit('long', cancelledAt - 2);
  await eventually(() => set.fleet.results.latest(`${running}.1`)?.state === 'running', { what: 'it runs' });
  const request = { by: 'ada', reason: BATCH_CANCELLED, at: cancelledAt };
  await valkey.set(keys.cancelBatch(batchId), JSON.stringify(request));
  await valkey.publish(keys.control, JSON.stringify({ type: 'cancel-batch', batchId }));
  const end = await set.ended(running);
  expect([end.state, end.outcome?.death?.message]).toEqual([
    'cancelled',
    expect.stringContaining(BATCH_CANCELLED),
  ]);

  const waiting = await submit('waits', cancelledAt - 1);
  expect((await set.ended(waiting)).state).toBe('cancelled');
  expect(set.worker.host.launched).not.toContain(`${waiting}.1`);
  const again = await submit('again', cancelledAt + 1);
  expect((await set.ended(again)).state).toBe('succeeded');
});
