import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import {
  createNodeKey,
  type ExecutionClaims,
  keysFor,
  type NodeKey,
  signExecutionToken,
} from '@cronium/contracts';
import { dropKeys, testEnvironment, testPrefix } from '@cronium/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { Sidecar } from './sidecar.ts';

const ATTEMPT = 'job_abcdefghijkl.2';
const now = Math.floor(Date.now() / 1000);
const claims: ExecutionClaims = {
  iss: 'node-1',
  aud: ['runtime-api', 'results'],
  sub: ATTEMPT,
  executionId: ATTEMPT,
  jobId: 'job_abcdefghijkl',
  attempt: 2,
  tenant: 'default',
  jti: '0123456789abcdef',
  iat: now,
  exp: now + 600,
};
const prefix = testPrefix();
const valkey = new Redis(testEnvironment().valkeyUrl);
let key: NodeKey;
let token: string;
let results: Server;
let received: { method: string; url: string; authorization: string; body: string }[] = [];
let base: string;
let ports: { api: number; egress: number };
const sidecar = { current: undefined as Sidecar | undefined };

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function textOf(message: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of message) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

beforeAll(async () => {
  key = await createNodeKey();
  token = await signExecutionToken(key, claims);
  results = createServer(async (message, response) => {
    const { method = '', url = '', headers } = message;
    received.push({ method, url, authorization: headers.authorization ?? '', body: await textOf(message) });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ success: true, data: { key: 'k', value: 1, version: 1 } }));
  }).listen(0, '127.0.0.1');
  await once(results, 'listening');
  ports = { api: await freePort(), egress: await freePort() };
  base = `http://127.0.0.1:${ports.api}`;
  sidecar.current = new Sidecar({ log: () => undefined, ports });
  const reply = await sidecar.current.carryOut({
    type: 'configure',
    address: '127.0.0.1',
    prefix,
    valkeyUrl: testEnvironment().valkeyUrl,
    resultsUrl: `http://127.0.0.1:${(results.address() as AddressInfo).port}`,
    jwks: [key.publicJwk],
  });
  expect(reply).toEqual({ type: 'ready' });
});

beforeEach(async () => {
  received = [];
  await bind();
});

afterAll(async () => {
  await sidecar.current?.close();
  results.closeAllConnections();
  results.close();
  await dropKeys(prefix);
  valkey.disconnect();
});

const bind = (egress: 'none' | 'internet' = 'none', allowPrivate: string[] = []) =>
  sidecar.current?.carryOut({
    type: 'bind',
    attemptId: ATTEMPT,
    jobId: claims.jobId,
    input: { zero: 0, no: false, empty: '', nothing: null },
    context: { executionId: ATTEMPT, name: 'x' },
    secrets: ['allowed'],
    egress: { mode: egress, allow: [], allowPrivate },
  });

const call = (path: string, init: RequestInit = {}, bearer = token) =>
  fetch(`${base}${path}`, { ...init, headers: { authorization: `Bearer ${bearer}`, ...init.headers } });

test('input and context come back as they went in', async () => {
  const answer = await call(`/executions/${ATTEMPT}/input`);
  expect(await answer.json()).toEqual({
    success: true,
    data: { zero: 0, no: false, empty: '', nothing: null },
  });
  expect(await (await call(`/executions/${ATTEMPT}/context`)).json()).toMatchObject({
    data: { executionId: ATTEMPT },
  });
});

test('what must last goes to results with the job’s own token', async () => {
  expect(
    (await call(`/executions/${ATTEMPT}/output`, { method: 'POST', body: '{"data":false}' })).status,
  ).toBe(200);
  expect((await call(`/executions/${ATTEMPT}/variables/a%2Fb%20c`)).status).toBe(200);
  expect(received).toEqual([
    {
      method: 'POST',
      url: `/runtime/v1/executions/${ATTEMPT}/output`,
      authorization: `Bearer ${token}`,
      body: '{"data":false}',
    },
    {
      method: 'GET',
      url: `/runtime/v1/executions/${ATTEMPT}/variables/a%2Fb%20c`,
      authorization: `Bearer ${token}`,
      body: '',
    },
  ]);
});

test.each([
  ['no token', '', 401],
  ['garbage', 'a.b.c', 401],
])('refused: %s', async (_, bearer, status) => {
  const answer = await call(`/executions/${ATTEMPT}/input`, {}, bearer);
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
});

test.each([
  [
    'another job',
    { sub: 'job_ABCDEFGHIJKL.1', executionId: 'job_ABCDEFGHIJKL.1', jobId: 'job_ABCDEFGHIJKL' },
  ],
  ['an older attempt', { sub: 'job_abcdefghijkl.1', executionId: 'job_abcdefghijkl.1', attempt: 1 }],
])("403 for %s's token", async (_, other) => {
  const foreign = await signExecutionToken(key, { ...claims, ...other });
  expect((await call(`/executions/${ATTEMPT}/input`, {}, foreign)).status).toBe(403);
  expect((await call('/tool-actions/execute', { method: 'POST', body: '{}' }, foreign)).status).toBe(403);
});

test('403 for another execution in the path', async () => {
  expect((await call('/executions/job_abcdefghijkl.1/input')).status).toBe(403);
});

test('401 for an expired token, 403 for a revoked one', async () => {
  const expired = await signExecutionToken(key, { ...claims, iat: now - 900, exp: now - 600 });
  expect((await call(`/executions/${ATTEMPT}/input`, {}, expired)).status).toBe(401);
  const jti = 'revoked-0123456789';
  await valkey.set(keysFor(prefix).revoked(jti), '1');
  expect(
    (await call(`/executions/${ATTEMPT}/input`, {}, await signExecutionToken(key, { ...claims, jti })))
      .status,
  ).toBe(403);
});

test('after the attempt nothing is served any more', async () => {
  expect((await call(`/executions/${ATTEMPT}/input`)).status).toBe(200);
  await sidecar.current?.carryOut({ type: 'unbind' });
  expect((await call(`/executions/${ATTEMPT}/input`)).status).toBe(403);
});

test.each([
  ['output', '{"data":1,"more":2}', 400, /more/],
  ['output', '{', 400, /JSON/],
  ['condition', '{"condition":"yes"}', 400, /condition/],
  ['progress', '{"percent":101}', 400, /percent/],
])('%s %s: %i', async (name, body, status, message) => {
  const answer = await call(`/executions/${ATTEMPT}/${name}`, { method: 'POST', body });
  expect(answer.status).toBe(status);
  expect(await answer.text()).toMatch(message);
  expect(received).toEqual([]);
});

test('an output of more than 5 MiB is 413', async () => {
  const body = JSON.stringify({ data: 'x'.repeat(5 * 1024 * 1024 + 2048) });
  expect((await call(`/executions/${ATTEMPT}/output`, { method: 'POST', body })).status).toBe(413);
});

test('only secrets that the job names, only plain artifact paths', async () => {
  expect((await call(`/executions/${ATTEMPT}/secrets/allowed`)).status).toBe(200);
  expect((await call(`/executions/${ATTEMPT}/secrets/other`)).status).toBe(403);
  expect(
    (await call(`/executions/${ATTEMPT}/artifacts/out/a.txt`, { method: 'PUT', body: 'x' })).status,
  ).toBe(200);
  for (const path of ['..%2Fx', 'a%2F..%2Fb', 'a%2F%2Fb']) {
    expect(
      (await call(`/executions/${ATTEMPT}/artifacts/${path}`, { method: 'PUT', body: 'x' })).status,
    ).toBe(400);
  }
});

test('health says what can be reached', async () => {
  expect(await (await fetch(`${base}/health`)).json()).toEqual({
    status: 'ok',
    valkey: 'reachable',
    results: 'reachable',
  });
  expect(await (await fetch(`${base}/metrics`)).text()).toMatch(
    /cronium_runtime_requests_total\{status="200"\} \d+/,
  );
});

/** The status line that the proxy answers a CONNECT with. */
async function connectThrough(destination: string): Promise<string> {
  const socket = connect(ports.egress, '127.0.0.1');
  socket.end(`CONNECT ${destination} HTTP/1.1\r\nHost: ${destination}\r\n\r\n`);
  let text = '';
  for await (const part of socket) text += String(part);
  return text;
}

function getThrough(url: string): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  httpRequest({ host: '127.0.0.1', port: ports.egress, path: url, agent: false }, async (answer) =>
    resolve({ status: answer.statusCode ?? 0, body: await textOf(answer) }),
  )
    .once('error', reject)
    .end();
  return promise;
}

test('the proxy lets a job reach only what its policy and the operator allow', async () => {
  const { port } = results.address() as AddressInfo;
  await bind('internet');
  expect(await connectThrough(`127.0.0.1:${port}`)).toMatch(/^HTTP\/1\.1 403 /);
  expect((await getThrough(`http://127.0.0.1:${port}/x`)).status).toBe(403);
  await bind('internet', [`127.0.0.1:${port}`]);
  expect(await getThrough(`http://127.0.0.1:${port}/x?y`)).toMatchObject({ status: 200 });
  expect(received.at(-1)).toMatchObject({ method: 'GET', url: '/x?y' });
  await bind('none');
  expect((await getThrough(`http://127.0.0.1:${port}/x`)).status).toBe(403);
});
