import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import {
  attemptIdOf,
  type JobInput,
  type JobView,
  newJobId,
  type QueuePayload,
  ranges,
} from '@cronium/contracts';
import { eventually, startProcess } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { IngestUpdate } from '../ingest/fold-updates.ts';
import { tellOfAttempt } from '../queries/attempt-data.ts';
import { getJob } from '../queries/jobs-read.ts';
import { failureOf, payloadOf, successOf } from '../test/fleet.ts';
import { openReceiver } from '../test/receiver.ts';
import { bodyOf, openService, type TestService } from '../test/service.ts';
import { post } from './post.ts';

const SECRET = 'a shared secret: ü';
const OPEN = { CRONIUM_WEBHOOK_ALLOW_PRIVATE: '127.0.0.0/8' };

let service: TestService;
/** One that sends nothing by itself. */
let quiet: TestService;
beforeAll(async () => {
  service = await openService({ env: OPEN });
  await service.send('PUT', '/v1/secrets/hook', { value: SECRET });
  service.start();
  quiet = await openService({ env: OPEN });
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await quiet[Symbol.asyncDispose]();
});

const withHook = (id: string, webhook: JobInput['webhook'], rest: Partial<QueuePayload> = {}) =>
  payloadOf(id, rest, { webhook, labels: { team: 'x' } });

async function report(updates: readonly IngestUpdate[], to = service): Promise<number> {
  const auth = await to.fleet.nodeAuth();
  return (await to.send('POST', '/internal/v1/attempts', updates, auth)).status;
}

const webhookOf = async (id: string, of = service) =>
  (await bodyOf<JobView>(of.get(`/v1/jobs/${id}`))).webhook;
const rowsOf = (id: string, of = service) =>
  of.deps.db.selectFrom('webhook_deliveries').selectAll().where('job_id', '=', id).execute();
/** As when the pause, or the lease of a process that died, is over. */
const tryAgainNow = (id: string, of = service) =>
  of.deps.db
    .updateTable('webhook_deliveries')
    .set({ due_ms: 0 })
    .where('job_id', '=', id)
    .where('due_ms', 'is not', null)
    .execute();
const becomes = (id: string, expected: Partial<JobView['webhook']>, of = service) =>
  eventually(async () => expect(await webhookOf(id, of)).toMatchObject(expected ?? {}), {
    what: `the webhook of ${id} is ${JSON.stringify(expected)}`,
    timeoutMs: 20_000,
  });

test('a webhook is told once of each end of its job, signed with the secret; attempts between do not count', async () => {
  await using receiver = await openReceiver(204);
  const id = newJobId();
  const payload = withHook(id, { url: receiver.url, secret: 'hook' });
  await report([failureOf(id, 1, { final: false, payload })]);
  expect(await rowsOf(id)).toEqual([]);
  const writer = { executionId: attemptIdOf(id, 2), jobId: id, attempt: 2 };
  await tellOfAttempt(service.deps.db, writer, { output: '{"rows":[1,"\\u0000"]}' });
  for (const update of successOf(id, 2, payload)) await report([update]);
  await becomes(id, { state: 'delivered', tries: 1 });

  const [got] = receiver.received;
  const { headers, body = '', event } = got ?? {};
  const job = await bodyOf<JobView>(service.get(`/v1/jobs/${id}`));
  const { name, labels, acceptedAt, startedAt, endedAt, output } = job;
  expect(event).toEqual({
    ...{ type: 'job.ended', id, name, labels, acceptedAt, startedAt, endedAt, output },
    ...{ state: 'succeeded', exitCode: 0, cause: null, attempts: 2, batchId: null },
    deliveryId: headers?.['cronium-delivery'],
  });
  expect(output).toEqual({ rows: [1, '\0'] });
  const timestamp = String(headers?.['cronium-timestamp']);
  expect(Math.abs(Date.now() / 1000 - Number(timestamp))).toBeLessThan(600);
  const digest = createHmac('sha256', SECRET).update(`${timestamp}.${body}`).digest('hex');
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'cronium-signature': `v1=${digest}`,
  });

  // Retried by hand; all that is told of it is its end.
  const again = { ...payload, attemptBase: 2, acceptedAt: payload.acceptedAt + 60_000 };
  await report([failureOf(id, 3, { payload: again })]);
  await eventually(async () => expect(receiver.received).toHaveLength(2), { what: 'the second end is told' });
  expect(receiver.received[1]?.event).toMatchObject({
    state: 'failed',
    exitCode: 3,
    cause: 'exit',
    attempts: 3,
  });
  expect(receiver.received[1]?.event.deliveryId).not.toBe(event?.deliveryId);
  expect(await rowsOf(id)).toHaveLength(2);
});

test('a job that is cancelled while it waits is told of; without a secret unsigned; without webhook nothing', async () => {
  await using receiver = await openReceiver(200);
  const [id, plain] = [newJobId(), newJobId()];
  await service.fleet.submit(id, withHook(id, { url: receiver.url }));
  await service.fleet.submit(plain, payloadOf(plain));
  for (const jobId of [id, plain])
    await service.fleet.announce({ type: 'cancel', jobId, tenant: 'default', by: 'me', at: Date.now() });
  await becomes(id, { state: 'delivered' });
  expect(receiver.received.map(({ event }) => event)).toMatchObject([
    { id, state: 'cancelled', attempts: 0 },
  ]);
  expect(receiver.received[0]?.headers).not.toHaveProperty('cronium-signature');
  await eventually(async () => expect((await getJob(service.deps.db, plain))?.state).toBe('cancelled'), {
    what: 'the other one is cancelled too',
  });
  expect([await rowsOf(plain), await webhookOf(plain)]).toEqual([[], undefined]);
});

test('what is not answered with 2xx is tried again, as the same delivery; redirects are not followed; 410 ends it', async () => {
  await using receiver = await openReceiver(500);
  const id = newJobId();
  await report(successOf(id, 1, withHook(id, { url: receiver.url })));
  await becomes(id, { state: 'waiting', tries: 1, lastError: 'It answered 500.' });
  const [row] = await rowsOf(id);
  expect((row?.due_ms ?? 0) - (row?.created_ms ?? 0)).toBeGreaterThan(2000);
  receiver.status = 302;
  await tryAgainNow(id);
  await becomes(id, { state: 'waiting', tries: 2, lastError: expect.stringContaining('not followed') });
  receiver.status = 200;
  await tryAgainNow(id);
  await becomes(id, { state: 'delivered', tries: 3 });
  expect(new Set(receiver.received.map(({ event }) => event.deliveryId))).toEqual(new Set([row?.id]));
  expect(await webhookOf(id)).not.toHaveProperty('lastError');

  receiver.status = 410;
  const other = newJobId();
  await report(successOf(other, 1, withHook(other, { url: receiver.url })));
  await becomes(other, { state: 'failed', tries: 1 });
});

test('tries are bounded', async () => {
  await using receiver = await openReceiver(503);
  const id = newJobId();
  await report(successOf(id, 1, withHook(id, { url: receiver.url })));
  await becomes(id, { state: 'waiting', tries: 1 });
  await service.deps.db
    .updateTable('webhook_deliveries')
    .set({ tries: 15, due_ms: 0 })
    .where('job_id', '=', id)
    .execute();
  await becomes(id, { state: 'failed', tries: 16, lastError: 'It answered 503.' });
  expect(await service.deps.metrics.text()).toMatch(/webhooks_given_up_total\{[^}]*\} 2/);
});

test('what should be signed is not sent without its secret, and is once the secret is set', async () => {
  await using receiver = await openReceiver(200);
  const id = newJobId();
  await report(successOf(id, 1, withHook(id, { url: receiver.url, secret: 'later' })));
  await becomes(id, { state: 'waiting', lastError: expect.stringContaining('PUT /v1/secrets/later') });
  expect(receiver.received).toEqual([]);
  await service.send('PUT', '/v1/secrets/later', { value: 's' });
  await tryAgainNow(id);
  await becomes(id, { state: 'delivered' });
  expect(receiver.received[0]?.headers['cronium-signature']).toMatch(/^v1=[0-9a-f]{64}$/);
});

test('private addresses are refused, however they are written', async () => {
  const urls = [
    'http://10.0.0.1/',
    'http://169.254.169.254/latest',
    'http://[::1]:80/',
    'http://0x0a000001/',
  ];
  const ids = urls.map(() => newJobId());
  await report(ids.flatMap((id, at) => successOf(id, 1, withHook(id, { url: urls[at] ?? '' }))));
  const lastError = expect.stringMatching(/not a public.*WEBHOOK_ALLOW_PRIVATE/);
  for (const id of ids) await becomes(id, { state: 'waiting', tries: 1, lastError });
});

test('the address is checked after the name is resolved, and is the one that is connected to', async () => {
  await using receiver = await openReceiver(200);
  const url = new URL(receiver.url.replace('127.0.0.1', 'rebound.test'));
  let asked = 0;
  const resolve = async () => [asked++ < 2 ? '127.0.0.1' : '10.0.0.1'];
  const signal = AbortSignal.timeout(20_000);
  const send = (open: string[]) =>
    post({ url, headers: {}, body: '{}' }, { open: ranges(open), resolve, signal });
  await expect(send([])).rejects.toThrow(/rebound.test is 127.0.0.1, which is not a public address/);
  await expect(send(['127.0.0.1'])).resolves.toBe(200);
  expect(receiver.received[0]?.headers.host).toBe(url.host);
  await expect(send(['127.0.0.1'])).rejects.toThrow(/rebound.test is 10.0.0.1/);
  expect(receiver.received).toHaveLength(1);
});

test('a receiver that hangs has few requests at a time and holds up nobody else', async () => {
  await using hanging = await openReceiver();
  await using receiver = await openReceiver(200);
  const ids = Array.from({ length: 120 }, newJobId);
  await report(ids.flatMap((id) => successOf(id, 1, withHook(id, { url: hanging.url })).slice(3, 4)));
  await eventually(async () => expect(hanging.received).toHaveLength(4), { what: 'it has what it may have' });
  const id = newJobId();
  await report(successOf(id, 1, withHook(id, { url: receiver.url })));
  await becomes(id, { state: 'delivered', tries: 1 });
  expect(hanging.received).toHaveLength(4);
});

test('a job ends together with the note of what its webhook is to be told, or not at all', async () => {
  const { db } = quiet.deps;
  const [id, other] = [newJobId(), newJobId()];
  const updates = successOf(id, 1, withHook(id, { url: 'http://127.0.0.1:1/' }));
  await db.schema.alterTable('webhook_deliveries').renameTo('away').execute();
  expect(await report(updates, quiet)).toBe(500);
  expect(await getJob(db, id)).toBeUndefined();
  expect(await report(successOf(other), quiet)).toBe(200);
  await db.schema.alterTable('away').renameTo('webhook_deliveries').execute();
  expect(await report(updates, quiet)).toBe(200);
  expect([(await getJob(db, id))?.state, (await rowsOf(id, quiet)).length]).toEqual(['succeeded', 1]);
});

test('a receiver that was away, and whose results process was killed in the middle of a request, is told all the same', async () => {
  const gone = await openReceiver();
  const { port } = new URL(gone.url);
  await gone[Symbol.asyncDispose]();
  const script = join(import.meta.dirname, '../main.ts');
  const env = { ...quiet.env, CRONIUM_HOST: '127.0.0.1', CRONIUM_PORT: '0' };
  const id = newJobId();
  await report(successOf(id, 1, withHook(id, { url: gone.url })), quiet);
  await using results = await startProcess({ script, env, ready: /"listening"/ });
  await becomes(id, { tries: 1, lastError: expect.stringContaining('ECONNREFUSED') }, quiet);
  await using receiver = await openReceiver(undefined, Number(port));
  await tryAgainNow(id, quiet);
  await eventually(async () => expect(receiver.received).toHaveLength(1), { what: 'a request is there' });
  await results.kill('SIGKILL');
  receiver.status = 200;
  await tryAgainNow(id, quiet);
  quiet.start();
  await becomes(id, { state: 'delivered', tries: 3 }, quiet);
  const [first, second] = receiver.received;
  expect(first?.event).toEqual(second?.event);
});
