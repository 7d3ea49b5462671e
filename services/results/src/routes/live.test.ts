import { type JobSummary, type LiveMessage, newBatchId, newJobId } from '@cronium/contracts';
import type { HttpServer } from '@cronium/http';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ingestAttempts } from '../ingest/attempts.ts';
import { serve } from '../serve.ts';
import { failureOf, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { ADMIN_KEY, openService, type TestService } from '../test/service.ts';

let service: TestService;
let server: HttpServer;
beforeAll(async () => {
  service = await openService();
  service.start();
  server = await serve(service.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.drain({ patienceMs: 100 });
  await service[Symbol.asyncDispose]();
});

/** A client that keeps what it is told. */
async function listen(subscription: Record<string, unknown>, headers: Record<string, string> = {}) {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}/v1/live`, {
    headers: { authorization: `Bearer ${ADMIN_KEY}`, ...headers },
  });
  const messages: LiveMessage[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  await new Promise((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  socket.send(JSON.stringify({ type: 'subscribe', ...subscription }));
  await eventually(() => messages.length > 0, { what: 'the first message' });
  const jobs = () =>
    messages.flatMap((message): JobSummary[] => (message.type === 'job' ? [message.job] : []));
  const cursor = () => messages.findLast((message) => message.type === 'cursor')?.cursor;
  return { messages, jobs, cursor, close: () => socket.close() };
}

const statesOf = (jobs: readonly JobSummary[], id: string) =>
  jobs.filter((job) => job.id === id).map(({ state }) => state);

test('a job’s changes come as they happen; a client that was away resumes by its cursor', async () => {
  const id = newJobId();
  const payload = payloadOf(id);
  await ingestAttempts(service.deps.db, [updateOf(id, 1, { payload })]);
  const client = await listen({ jobs: [id] });
  await eventually(() => statesOf(client.jobs(), id).includes('claimed'), { what: 'the present state' });
  await ingestAttempts(service.deps.db, [updateOf(id, 1, { payload, state: 'running' })]);
  await eventually(() => statesOf(client.jobs(), id).at(-1) === 'running', { what: 'the job runs' });
  const cursor = await eventually(() => client.cursor(), { what: 'a cursor' });
  client.close();
  await ingestAttempts(service.deps.db, successOf(id, 1, payload));
  const again = await listen({ jobs: true, cursor });
  await eventually(() => statesOf(again.jobs(), id).at(-1) === 'succeeded', { what: 'what was missed' });
  again.close();
});

test('a batch is told with its numbers, and workers with theirs', async () => {
  const batchId = newBatchId();
  const ids = [newJobId(), newJobId()];
  const payload = (id: string) => payloadOf(id, { batchId, line: 1 });
  const opened = {
    type: 'batch',
    batchId,
    tenant: 'default',
    accepted: 2,
    rejected: 0,
    complete: true,
    at: 1,
  } as const;
  await service.fleet.announce(opened);
  const client = await listen({ batches: [batchId], workers: true });
  for (const id of ids) await ingestAttempts(service.deps.db, [failureOf(id, 1, { payload: payload(id) })]);
  await eventually(
    () => client.messages.some((message) => message.type === 'batch' && message.batch.counts.failed === 2),
    { what: 'both jobs count as failed' },
  );
  expect(client.messages).toContainEqual(
    expect.objectContaining({ type: 'workers', workers: [expect.objectContaining({ node: 'n1' })] }),
  );
  client.close();
});

test('only those with a key and from our own pages listen; nonsense is answered', async () => {
  await expect(listen({}, { authorization: 'Bearer no' })).rejects.toThrow('401');
  await expect(listen({}, { origin: 'https://evil.example' })).rejects.toThrow('403');
  const client = await listen({ colour: 'red' });
  expect(client.messages[0]).toMatchObject({ type: 'error' });
  client.close();
});
