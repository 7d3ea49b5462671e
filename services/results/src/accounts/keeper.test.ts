import { keysFor, queuePayload } from '@cronium/contracts';
import { createLogger } from '@cronium/telemetry';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { ingestAttempts } from '../ingest/attempts.ts';
import { Canceller } from '../ingest/cancel.ts';
import { failureOf, newJobId, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { openService, type TestService } from '../test/service.ts';
import { Keeper } from './keeper.ts';

const GRACE_MS = 60_000;

/** A keeper with a clock of the test's. */
function keeperOf({ deps }: TestService) {
  const { db, valkey, queues } = deps;
  const clock = { ms: 0 };
  const keeper = new Keeper({
    ...{ db, valkey, queues, graceMs: GRACE_MS, now: () => clock.ms },
    canceller: new Canceller({ db, valkey, queues }),
    log: createLogger({ service: 'results', level: 'silent' }),
  });
  return { keeper, clock };
}

async function forget(service: TestService, queue = 'default'): Promise<void> {
  await service.fleet.queue(queue).obliterate({ force: true });
}

test('a job that the queue has forgotten is put back after the grace, with its options, and not before', async () => {
  await using service = await openService();
  const { fleet, deps } = service;
  const id = newJobId();
  const payload = payloadOf(id, {}, { pool: 'gpu', requires: { cuda: '12' }, priority: 7 });
  await ingestAttempts(deps.db, [updateOf(id, 1, { payload, state: 'queued' })]);
  const { keeper, clock } = keeperOf(service);
  await keeper.round();
  clock.ms = GRACE_MS - 1;
  await keeper.round();
  expect(await deps.queues.find(id)).toBeUndefined();
  clock.ms = GRACE_MS;
  await keeper.round();
  const found = await deps.queues.find(id);
  expect(found?.queue).toMatch(/^gpu~/);
  const job = await fleet.queue(found?.queue ?? '').getJob(id);
  expect(job?.opts).toMatchObject({ priority: 1001 - 7, attempts: 1 });
  expect(queuePayload.parse(job?.data)).toMatchObject({ spec: payload.spec, attemptBase: 1 });
  expect(await deps.valkey.hkeys(keysFor(service.prefix).queues)).toContain(found?.queue);
});

test('losses and failures so far still count, and an attempt that nobody reported counts as lost with the next claim', async () => {
  await using service = await openService();
  const { deps } = service;
  const id = newJobId();
  await ingestAttempts(deps.db, [
    failureOf(id, 1, { final: false }),
    updateOf(id, 2, { state: 'running', lostAttempts: [] }),
  ]);
  const { keeper, clock } = keeperOf(service);
  await keeper.round();
  clock.ms = GRACE_MS;
  await keeper.round();
  const data = queuePayload.parse(JSON.parse((await deps.queues.find(id))?.payload ?? ''));
  expect(data).toMatchObject({ attemptBase: 2, history: { reported: 1, failures: 1, losses: 0 } });
  expect((await service.get(`/v1/jobs/${id}`)).status).toBe(200);
});

test('a job that came back, ended or moved meanwhile is left alone', async () => {
  await using service = await openService();
  const { fleet, deps } = service;
  const [back, ended, moved] = [newJobId(), newJobId(), newJobId()];
  for (const id of [back, ended, moved]) await ingestAttempts(deps.db, [updateOf(id, 1)]);
  const { keeper, clock } = keeperOf(service);
  await keeper.round();
  await fleet.submit(back, payloadOf(back), { announce: false });
  await ingestAttempts(deps.db, [...successOf(ended), updateOf(moved, 2)]);
  clock.ms = GRACE_MS;
  await keeper.round();
  expect(await deps.queues.find(ended)).toBeUndefined();
  expect(await deps.queues.find(moved)).toBeUndefined();
  expect(JSON.parse((await deps.queues.find(back))?.payload ?? '').attemptBase).toBe(0);
});

test('two results processes put a job back once', async () => {
  await using service = await openService();
  const { fleet, deps } = service;
  const id = newJobId();
  await ingestAttempts(deps.db, [updateOf(id, 1)]);
  const [one, other] = [keeperOf(service), keeperOf(service)];
  await Promise.all([one.keeper.round(), other.keeper.round()]);
  one.clock.ms = GRACE_MS;
  other.clock.ms = GRACE_MS;
  await one.keeper.round();
  // The job runs and ends before the other process looks.
  await forget(service);
  await ingestAttempts(deps.db, successOf(id, 2));
  await other.keeper.round();
  expect(await fleet.queue('default').getJobCounts()).toMatchObject({ prioritized: 0, waiting: 0 });
});

test('a job of a batch that was cancelled is cancelled, not run', async () => {
  await using service = await openService();
  const { fleet, deps } = service;
  service.start();
  const id = newJobId();
  const payload = payloadOf(id, { batchId: 'batch_000000000001', line: 1 });
  await fleet.submit(id, payload);
  const stored = () => deps.db.selectFrom('batches').select('id').executeTakeFirst();
  await eventually(stored, { what: 'results knows the batch' });
  await deps.db
    .updateTable('batches')
    .set({ cancelled_by: 'someone', cancelled_ms: Date.now() })
    .where('id', '=', 'batch_000000000001')
    .execute();
  await forget(service);
  await eventually(
    async () =>
      ((await (await service.get(`/v1/jobs/${id}`)).json()) as { state: string }).state === 'cancelled',
    { what: 'the job is cancelled', timeoutMs: 60_000 },
  );
  expect(await deps.queues.find(id)).toBeUndefined();
});
