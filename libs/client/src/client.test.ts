import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { CroniumApiError, CroniumClient, CroniumConnectionError, CroniumTimeoutError } from './index.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

/** A real HTTP server in which each request is answered by the next function; the last one answers all that follow. */
async function serve(...answers: ((response: ServerResponse, seen: Seen) => void)[]) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const one = { method: request.method ?? '', url: request.url ?? '', headers: request.headers, body };
    seen.push(one);
    answers[Math.min(seen.length, answers.length) - 1]?.(response, one);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  open.push({
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
  const client = new CroniumClient({
    producerUrl: url,
    resultsUrl: `${url}/`,
    apiKey: 'k1',
    timeoutMs: 2000,
  });
  return { client, seen, url };
}

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
const accepted = { id: 'job_000000000001', state: 'queued', traceId: 'a'.repeat(32) };
const script = { type: 'script', script: { language: 'bash', source: 'echo hi' } } as const;

test('submit sends the job with key, idempotency key and trace context', async () => {
  const { client, seen } = await serve(json(accepted, 202));
  const traceparent = `00-${'b'.repeat(32)}-${'c'.repeat(16)}-01`;
  expect(await client.submit(script, { idempotencyKey: 'x', traceparent })).toEqual(accepted);
  expect(seen[0]).toMatchObject({ method: 'POST', url: '/v1/jobs', body: JSON.stringify(script) });
  expect(seen[0]?.headers).toMatchObject({ authorization: 'Bearer k1', 'idempotency-key': 'x', traceparent });
});

test('an error answer becomes an error with the problem, naming each field', async () => {
  const problem = {
    type: 'about:blank',
    title: 'Not a job',
    status: 400,
    errors: [{ path: 'script.source', message: 'is missing' }],
  };
  const { client } = await serve(json(problem, 400));
  const error = await client.submit(script).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(CroniumApiError);
  expect(error).toMatchObject({ status: 400, problem, code: 'API' });
  expect(String(error)).toContain('script.source: is missing');
});

test('an answer that is no problem document is an API error all the same', async () => {
  const { client } = await serve((response) => response.writeHead(404).end('<html>nginx</html>'));
  await expect(client.job('job_x')).rejects.toMatchObject({
    status: 404,
    problem: { detail: '<html>nginx</html>' },
  });
});

test('a read is tried again after 503, unless the service asks for a longer wait than is bearable', async () => {
  const busy = (after: string) => json({ title: 'busy', status: 503 }, 503, { 'retry-after': after });
  const soon = await serve(busy('0'), busy('0'), json({ workers: [] }));
  expect(await soon.client.workers()).toEqual({ workers: [] });
  expect(soon.seen).toHaveLength(3);
  const late = await serve(busy('3600'), json({ workers: [] }));
  await expect(late.client.workers()).rejects.toMatchObject({ status: 503, retryAfterMs: 3_600_000 });
});

test('a submit without a key is never sent twice, with one it is', async () => {
  const busy = json({ title: 'busy', status: 503 }, 503, { 'retry-after': '0' });
  const without = await serve(busy, json(accepted, 202));
  await expect(without.client.submit(script)).rejects.toMatchObject({ status: 503, retryAfterMs: 0 });
  expect(without.seen).toHaveLength(1);
  const withKey = await serve(busy, json(accepted, 202));
  expect(await withKey.client.submit(script, { idempotencyKey: 'x' })).toEqual(accepted);
});

test('a service that is not there is a connection error that names it', async () => {
  const client = new CroniumClient({
    producerUrl: 'http://127.0.0.1:1',
    resultsUrl: 'http://127.0.0.1:1',
    apiKey: 'k',
    attempts: 1,
  });
  const error = await client.queues().catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(CroniumConnectionError);
  expect(String(error)).toMatch(
    /producer at http:\/\/127\.0\.0\.1:1 cannot be reached: .*(ECONNREFUSED|bad port)/,
  );
});

test('a service that does not answer is a timeout; an abort gives its own reason', async () => {
  const { url } = await serve(() => undefined);
  const client = new CroniumClient({
    producerUrl: url,
    resultsUrl: url,
    apiKey: 'k',
    timeoutMs: 50,
    attempts: 1,
  });
  await expect(client.job('a')).rejects.toBeInstanceOf(CroniumTimeoutError);
  const why = new Error('enough');
  const controller = new AbortController();
  const call = client.job('a', { signal: controller.signal });
  controller.abort(why);
  await expect(call).rejects.toBe(why);
});

test('a batch is streamed as NDJSON from an async iterable of jobs and raw bytes', async () => {
  const answer = { batchId: 'batch_1', accepted: 3, rejected: [], rejectedTotal: 0 };
  const { client, seen } = await serve(json(answer, 202));
  async function* source() {
    yield script;
    yield new TextEncoder().encode('{"raw":1}\n');
    yield script;
  }
  expect(await client.submitBatch(source(), { name: 'a b', atomic: true })).toEqual(answer);
  expect(seen[0]).toMatchObject({
    url: '/v1/batches?name=a+b&atomic=true',
    body: `${JSON.stringify(script)}\n{"raw":1}\n${JSON.stringify(script)}\n`,
  });
  expect(seen[0]?.headers['content-type']).toBe('application/x-ndjson');
  expect(seen[0]?.headers['transfer-encoding']).toBe('chunked');
});

test('an array with a key is sent again as a whole', async () => {
  const answer = { batchId: 'batch_1', accepted: 2, rejected: [], rejectedTotal: 0 };
  const busy = json({ title: 'busy', status: 503 }, 503, { 'retry-after': '0' });
  const { client, seen } = await serve(busy, json(answer, 202));
  await client.submitBatch([script, script], { idempotencyKey: 'b' });
  expect(seen.map(({ body }) => body.split('\n').length)).toEqual([3, 3]);
});

test('jobs walks over the pages and stops at the limit', async () => {
  const page = (ids: string[], cursor: string | null) => json({ jobs: ids.map((id) => ({ id })), cursor });
  const { client, seen } = await serve(page(['a', 'b'], 'c1'), page(['c', 'd'], 'c2'));
  const ids = [];
  for await (const { id } of client.jobs({ state: 'failed', limit: 4 })) ids.push(id);
  expect(ids).toEqual(['a', 'b', 'c', 'd']);
  expect(seen.map(({ url }) => url)).toEqual([
    '/v1/jobs?state=failed&limit=4',
    '/v1/jobs?state=failed&limit=2&cursor=c1',
  ]);
});

test('batch results come line by line, blank ones skipped', async () => {
  const { client } = await serve((response) => response.end('{"id":"a"}\n\n{"id":"b"}\n'));
  const ids = [];
  for await (const { id } of client.batchResults('batch_1')) ids.push(id);
  expect(ids).toEqual(['a', 'b']);
});

test('waitForJob looks until the job has ended and tells of each look', async () => {
  const { client } = await serve(
    json({ state: 'queued' }),
    json({ state: 'running' }),
    json({ state: 'succeeded' }),
  );
  const states: string[] = [];
  const view = await client.waitForJob('a', { everyMs: 10, onProgress: ({ state }) => states.push(state) });
  expect(view.state).toBe('succeeded');
  expect(states).toEqual(['queued', 'running', 'succeeded']);
});

test('waitForJob gives up when time is up, naming the job', async () => {
  const { client } = await serve(json({ state: 'running' }));
  await expect(client.waitForJob('job_q', { timeoutMs: 60, everyMs: 10 })).rejects.toThrow(
    /job job_q has not ended/,
  );
});

test('waitForBatch waits for lines that are still to come', async () => {
  const { client, seen } = await serve(
    json({ complete: false, ended: 2, total: 2 }),
    json({ complete: true, ended: 2, total: 3 }),
    json({ complete: true, ended: 3, total: 3 }),
  );
  await client.waitForBatch('b', { everyMs: 10 });
  expect(seen).toHaveLength(3);
});

test('the example of the documentation calls what the client has', () => {
  const page = readFileSync(new URL('../../../docs/jobs.md', import.meta.url), 'utf8');
  const called = [...page.matchAll(/\bclient\.(\w+)\(/g)].map(([, name = '']) => name);
  const client = new CroniumClient({ producerUrl: 'http://p', resultsUrl: 'http://r', apiKey: 'k' });
  expect(called).toContain('submit');
  expect(called.filter((name) => typeof Reflect.get(client, name) !== 'function')).toEqual([]);
});
