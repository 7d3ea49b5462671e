import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type BatchView, newBatchId, newJobId } from '@cronium/contracts';
import { eventually, startProcess } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FlowRunner } from '../flows/flow-runner.ts';
import { getJob } from '../queries/jobs-read.ts';
import { failureOf, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type TestService } from '../test/service.ts';
import { EventApplier } from './apply-events.ts';
import { ingestAttempts } from './attempts.ts';
import { Canceller } from './cancel.ts';
import { EventStream } from './event-stream.ts';

let service: TestService;
let applier: EventApplier;
let canceller: Canceller;
const missing: string[] = [];
beforeAll(async () => {
  service = await openService();
  canceller = new Canceller(service.deps);
  const flows = new FlowRunner({ ...service.deps, canceller });
  applier = new EventApplier({ ...service.deps, canceller, flows, onMissing: (ids) => missing.push(...ids) });
});
afterAll(() => service[Symbol.asyncDispose]());

const stateOf = async (id: string) => (await getJob(service.deps.db, id))?.state;
const accepted = (...jobs: string[]) => ({ type: 'accepted', queue: 'default', jobs, at: 1 }) as const;
const cancel = (jobId: string) =>
  ({ type: 'cancel', jobId, tenant: 'default', by: 'ann', at: Date.now() }) as const;
const submit = (id: string, payload = payloadOf(id)) =>
  service.fleet.submit(id, payload, { announce: false });

test('an accepted job is stored as queued, once, and its report is not undone by a late event', async () => {
  const [waiting, done] = [newJobId(), newJobId()];
  await submit(waiting);
  await submit(done);
  await applier.apply([accepted(waiting), accepted(waiting, done)]);
  expect(await stateOf(waiting)).toBe('queued');
  await ingestAttempts(service.deps.db, successOf(done));
  await applier.apply([accepted(done)]);
  expect(await stateOf(done)).toBe('succeeded');
});

test('an accepted job whose payload is gone is told of; one that a report brought is not', async () => {
  const [gone, reported] = [newJobId(), newJobId()];
  await ingestAttempts(service.deps.db, successOf(reported));
  await applier.apply([accepted(gone, reported)]);
  expect(missing).toEqual([gone]);
});

test('a waiting job is cancelled, leaves the queue, and stays cancelled however often it is asked', async () => {
  const id = newJobId();
  await submit(id);
  // The cancel may be read before the accepted event, by another process.
  await applier.apply([cancel(id)]);
  await applier.apply([accepted(id), cancel(id)]);
  expect(await stateOf(id)).toBe('cancelled');
  expect(await service.deps.queues.find(id)).toBeUndefined();
  const view = await (await service.get(`/v1/jobs/${id}`)).json();
  expect(view).toMatchObject({ state: 'cancelled', cause: 'cancelled', attempts: 0 });
});

test('a job that an attempt holds is left to its worker', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [updateOf(id, 1, { state: 'running' })]);
  await applier.apply([cancel(id)]);
  expect(await stateOf(id)).toBe('running');
});

test('a job that waits for its next attempt is cancelled; a repeated report does not wake it', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  await submit(id, payload);
  const failure = failureOf(id, 1, { final: false, payload });
  await ingestAttempts(service.deps.db, [failure]);
  expect(await stateOf(id)).toBe('queued');
  await applier.apply([cancel(id)]);
  const [answer] = await ingestAttempts(service.deps.db, [failure]);
  expect([answer?.result, await stateOf(id)]).toEqual(['ended', 'cancelled']);
});

test('cancelling a batch ends the jobs that are known and those that come later', async () => {
  const batchId = newBatchId();
  const [first, running, later] = [newJobId(), newJobId(), newJobId()];
  const payload = (id: string) => payloadOf(id, { batchId, line: 1 });
  await submit(first, payload(first));
  await applier.apply([accepted(first)]);
  await ingestAttempts(service.deps.db, [
    updateOf(running, 1, { payload: payload(running), state: 'running' }),
  ]);
  await applier.apply([{ type: 'cancel-batch', batchId, tenant: 'default', by: 'ann', at: 5 }]);
  await canceller.endBatches();
  await submit(later, payload(later));
  await applier.apply([accepted(later)]);
  expect(await Promise.all([first, running, later].map(stateOf))).toEqual([
    'cancelled',
    'running',
    'cancelled',
  ]);
  const { valkey, keys } = service.deps;
  expect(JSON.parse((await valkey.get(keys.cancel(running))) ?? '')).toMatchObject({ by: 'ann' });
});

test('a batch that a process noted and did not come to end is ended by another one', async () => {
  const batchId = newBatchId();
  const id = newJobId();
  await submit(id, payloadOf(id, { batchId, line: 1 }));
  await applier.apply([accepted(id), { type: 'cancel-batch', batchId, tenant: 'default', by: 'ann', at: 5 }]);
  expect(await stateOf(id)).toBe('queued');
  const stopping = new AbortController();
  const running = new Canceller(service.deps).run(stopping.signal, () => undefined);
  await eventually(async () => (await stateOf(id)) === 'cancelled', {
    what: 'the job is cancelled',
    timeoutMs: 60_000,
  });
  stopping.abort();
  await running;
});

test('other events are read while the jobs of a large batch are being cancelled', async () => {
  const batchId = newBatchId();
  const [blocked, other] = [newJobId(), newJobId()];
  await submit(blocked, payloadOf(blocked, { batchId, line: 1 }));
  await applier.apply([accepted(blocked)]);
  const { db } = service.deps;
  await db.transaction().execute(async (trx) => {
    await trx.selectFrom('jobs').select('id').where('id', '=', blocked).forUpdate().execute();
    await applier.apply([{ type: 'cancel-batch', batchId, tenant: 'default', by: 'ann', at: 5 }]);
    const ending = canceller.endBatches();
    await submit(other);
    await applier.apply([accepted(other)]);
    expect(await stateOf(other)).toBe('queued');
    ending.catch(() => undefined);
  });
  await canceller.endBatches();
  expect(await stateOf(blocked)).toBe('cancelled');
});

test('a retry puts an ended job back once; old events and reports of the stay before do not', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  const failure = failureOf(id, 1, { payload });
  await ingestAttempts(service.deps.db, [failure]);
  const retried = { type: 'retried', queue: 'default', jobId: id, by: 'ann', at: 9 } as const;
  const again = { ...payload, acceptedAt: payload.acceptedAt + 5000, attemptBase: 1 };
  await submit(id, again);
  await applier.apply([retried, retried]);
  await ingestAttempts(service.deps.db, [failure]);
  expect(await stateOf(id)).toBe('queued');
  await ingestAttempts(service.deps.db, successOf(id, 2, again));
  await applier.apply([retried]);
  expect(await stateOf(id)).toBe('succeeded');
});

test('batch events in any order give the same batch', async () => {
  const batchId = newBatchId();
  const opened = {
    type: 'batch',
    batchId,
    tenant: 'default',
    accepted: 0,
    rejected: 0,
    complete: false,
    at: 10,
  } as const;
  const closed = { ...opened, accepted: 7, rejected: 2, complete: true };
  await applier.apply([closed, opened, opened]);
  const view = await bodyOf<BatchView>(service.get(`/v1/batches/${batchId}`));
  expect(view).toMatchObject({ accepted: 7, rejected: 2, complete: true, ended: 0 });
  expect(view.counts.queued).toBe(7);
});

test('what a dead consumer held is taken over, and nothing is left in the stream', async () => {
  const { valkey, keys } = service.deps;
  const id = newJobId();
  const dead = new EventStream(valkey, keys.events, `dead-${randomUUID()}`);
  const living = new EventStream(valkey, keys.events, `living-${randomUUID()}`);
  try {
    await dead.prepare();
    await living.prepare();
    await service.fleet.submit(id, payloadOf(id));
    expect((await dead.read(1000)).length).toBeGreaterThan(0);
    const taken = await living.claimDead(0);
    expect(taken.map(({ event }) => event)).toContainEqual(expect.objectContaining({ jobs: [id] }));
    await living.done(taken.map((entry) => entry.id));
    expect(await living.claimDead(0)).toEqual([]);
    expect(await valkey.xlen(keys.events)).toBe(0);
  } finally {
    dead.close();
    living.close();
  }
});

test('two processes read the same stream: every job is stored once, and the stream ends empty', async () => {
  const { valkey, keys, db } = service.deps;
  const env = { ...service.env, CRONIUM_HOST: '127.0.0.1', CRONIUM_PORT: '0' };
  const script = join(import.meta.dirname, '../main.ts');
  await using one = await startProcess({ script, env, ready: /"listening"/ });
  await using other = await startProcess({ script, env, ready: /"listening"/ });
  const batchId = newBatchId();
  const ids = Array.from({ length: 300 }, newJobId);
  await Promise.all(
    ids.map(async (id, index) => {
      await service.fleet.submit(id, payloadOf(id, { batchId, line: index + 1 }));
      // Twice, as after a producer's retry.
      await service.fleet.announce(accepted(id));
    }),
  );
  await eventually(async () => (await valkey.xlen(keys.events)) === 0, {
    what: 'the stream is empty',
    timeoutMs: 30_000,
  });
  const { count } = await db
    .selectFrom('jobs')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('batch_id', '=', batchId)
    .executeTakeFirstOrThrow();
  expect(count).toBe(300);
  expect(await one.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  expect(await other.kill('SIGTERM')).toEqual({ code: 0, signal: null });
});
