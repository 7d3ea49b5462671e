import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { RUNTIME_PORT } from '@cronium/contracts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ATTEMPT, boundSidecar, CONTEXT, Fixture, INPUT } from './testing/fixture.ts';

const MAX_ARTIFACT_BYTES = 100_000;
let fixture: Fixture;
beforeAll(async () => {
  fixture = await boundSidecar({ limits: { maxArtifactBytes: MAX_ARTIFACT_BYTES } });
});
beforeEach(() => {
  fixture.results.received.length = 0;
});
afterAll(() => fixture[Symbol.asyncDispose]());

const received = () =>
  fixture.results.received.map(({ method, url, body }) => ({ method, url, body: body.toString() }));

test('input and context come back as they went in', async () => {
  expect((await fixture.execution('/input')).json()).toEqual({ success: true, data: INPUT });
  expect((await fixture.execution('/context')).json()).toEqual({ success: true, data: CONTEXT });
});

test.each([
  ['POST', '/output', '{"data":false}'],
  ['POST', '/output', '{"data": 12345678901234567890.0}'],
  ['POST', '/condition', '{"condition":true}'],
  ['POST', '/progress', '{"percent":50,"message":"half"}'],
  ['GET', '/variables/a%2Fb%20c%25', ''],
  ['PUT', '/variables/a%2Fb%20c%25', '{"value":null,"ifVersion":3}'],
  ['DELETE', '/variables/%F0%9F%9A%80', ''],
  ['POST', '/variables/n/increment', '{"by":2}'],
  ['POST', '/variables/n/append', '{"text":"x","separator":","}'],
  ['GET', '/secrets/TOKEN', ''],
  ['PUT', '/artifacts/out/a%20b.txt', 'bytes'],
  ['POST', '/otlp/v1/logs', '{}'],
])('goes to results byte for byte, with the job’s own token: %s %s', async (method, path, body) => {
  const isOtlp = path.startsWith('/otlp');
  const request = { method, ...(body && { body }) };
  const answer = isOtlp ? await fixture.call(path, request) : await fixture.execution(path, request);
  expect([answer.status, answer.json()]).toEqual([200, { success: true }]);
  expect(received()).toEqual([{ method, url: `/runtime/v1/executions/${ATTEMPT}${path}`, body }]);
  expect(fixture.results.received[0]?.headers.authorization).toBe(`Bearer ${fixture.token}`);
});

test('a tool action is passed on, and what the tool answered comes back', async () => {
  fixture.results.next.push({ status: 502, json: { status: 502, title: 'The tool failed' } });
  const body = '{"tool":"slack","action":"send","config":{"text":"hi"}}';
  const headers = { 'idempotency-key': 'k1' };
  const answer = await fixture.call('/tool-actions/execute', { method: 'POST', body, headers });
  expect([answer.status, answer.json()]).toEqual([502, { status: 502, title: 'The tool failed' }]);
  expect(received()).toEqual([{ method: 'POST', url: '/runtime/v1/tool-actions/execute', body }]);
  expect(fixture.results.received[0]?.headers['idempotency-key']).toBe('k1');
});

test('telemetry keeps its type and encoding', async () => {
  const headers = { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' };
  const body = randomBytes(1000);
  expect((await fixture.call('/otlp/v1/traces', { method: 'POST', body, headers })).status).toBe(200);
  expect(fixture.results.received[0]).toMatchObject({ headers, body });
});

test('what results refuses is refused with its own words', async () => {
  fixture.results.next.push({ status: 409, json: { status: 409, title: 'It is at version 4' } });
  const answer = await fixture.execution('/variables/a', {
    method: 'PUT',
    body: '{"value":1,"ifVersion":3}',
  });
  expect([answer.status, answer.json()]).toEqual([409, { status: 409, title: 'It is at version 4' }]);
});

test.each([
  ['POST', '/output', '{"data":1,"more":2}', /more/],
  ['POST', '/output', '{}', /data/],
  ['POST', '/output', '{', /JSON/],
  ['POST', '/output', Buffer.from([0x22, 0xff, 0x22]), /UTF-8/],
  ['POST', '/output', `{"data":${'['.repeat(1000)}${']'.repeat(1000)}}`, /deep/],
  ['POST', '/condition', '{"condition":"yes"}', /condition/],
  ['POST', '/progress', '{"percent":101}', /percent/],
  ['PUT', '/variables/a', '{"value":1,"ifVersion":-1}', /ifVersion/],
  ['PUT', '/variables/..', '{"value":1}', /key/],
  ['GET', '/variables/%2e', '', /key/],
  ['GET', '/variables/%ff', '', /UTF-8/],
  ['POST', '/variables/a/increment', '{"by":"1"}', /by/],
  ['PUT', '/artifacts/../x', 'x', /relative path/],
  ['PUT', '/artifacts/a/..%2F..%2Fx', 'x', /relative path/],
  ['PUT', '/artifacts//etc/passwd', 'x', /relative path/],
  ['PUT', '/artifacts/%2Fetc/passwd', 'x', /relative path/],
  ['PUT', '/artifacts/a%00b', 'x', /relative path/],
  ['PUT', '/artifacts/', 'x', /relative path/],
])('400 that says what is wrong: %s %s %s', async (method, path, body, message) => {
  const answer = await fixture.execution(path, { method, body });
  expect(answer.status).toBe(400);
  expect(answer.text).toMatch(message);
  expect(received()).toEqual([]);
});

test.each([
  'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
  'POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
  'nonsense\r\n\r\n',
])('what is no request is told so as a problem too: %j', async (text) => {
  const socket = connect({ host: fixture.address, port: RUNTIME_PORT }, () => socket.write(text));
  const answer = Buffer.concat(await Array.fromAsync(socket)).toString();
  expect(answer).toMatch(
    /^HTTP\/1.1 400 [\s\S]*content-type: application\/problem\+json[\s\S]*no HTTP\/1.1 request/i,
  );
});

test('secrets that came with the attempt are answered here, as they were then', async () => {
  await using own = new Fixture();
  await own.start();
  await own.bind({}, { secretValues: { TOKEN: 's3cret' } });
  expect((await own.execution('/secrets/TOKEN')).json()).toEqual({
    success: true,
    data: { name: 'TOKEN', value: 's3cret' },
  });
  expect((await own.execution('/secrets/OTHER')).status).toBe(403);
  await own.sidecar.carryOut({ type: 'unbind' });
  await own.bind({}, { secretValues: {} });
  expect((await own.execution('/secrets/TOKEN')).status).toBe(404);
  expect(own.results.received).toEqual([]);
});

test('a secret that the job does not name is not asked for', async () => {
  const answer = await fixture.execution('/secrets/OTHER');
  expect([answer.status, received()]).toEqual([403, []]);
  expect(answer.text).toMatch(/OTHER/);
});

test('404 for what there is not, 405 for another method', async () => {
  expect((await fixture.call('/executions')).status).toBe(404);
  expect((await fixture.execution('/inputs')).status).toBe(404);
  expect((await fixture.execution('/artifacts/../input')).status).toBe(405);
  const answer = await fixture.execution('/variables/a', { method: 'POST', body: '{}' });
  expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, DELETE, PUT']);
});

test.each([
  ['with its length', {}],
  ['in chunks', { 'transfer-encoding': 'chunked' }],
])('an output of 5 MiB passes, a longer one is 413, %s', async (_, headers) => {
  const largest = JSON.stringify({ data: 'x'.repeat(5 * 1024 * 1024 - 2) });
  expect((await fixture.execution('/output', { method: 'POST', body: largest, headers })).status).toBe(200);
  const body = JSON.stringify({ data: 'x'.repeat(5 * 1024 * 1024 + 2048) });
  const answer = await fixture.execution('/output', { method: 'POST', body, headers });
  expect(answer.status).toBe(413);
  expect(received()).toHaveLength(1);
});

test('a request that its job breaks off is not in the log as a failure', async () => {
  const before = fixture.log.length;
  const broken = connect(RUNTIME_PORT, fixture.address);
  broken.on('error', () => undefined);
  const headers = `Host: x\r\nAuthorization: Bearer ${fixture.token}\r\nContent-Length: 1000`;
  broken.write(`POST /executions/${ATTEMPT}/output HTTP/1.1\r\n${headers}\r\nExpect: 100-continue\r\n\r\n{`);
  // Its body is being read.
  await once(broken, 'data');
  broken.resetAndDestroy();
  // After it, on the same loop.
  expect((await fixture.execution('/output', { method: 'POST', body: '{"data":1}' })).status).toBe(200);
  expect(fixture.log.slice(before)).toEqual([]);
});

test('an artifact streams through whole, and only up to its cap', async () => {
  const body = randomBytes(MAX_ARTIFACT_BYTES);
  expect((await fixture.execution('/artifacts/a.bin', { method: 'PUT', body })).status).toBe(200);
  const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  expect(digest(fixture.results.received[0]?.body ?? Buffer.of())).toBe(digest(body));
  for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
    const tooLong = randomBytes(MAX_ARTIFACT_BYTES + 1);
    const answer = await fixture.execution('/artifacts/b.bin', { method: 'PUT', body: tooLong, headers });
    expect(answer.status).toBe(413);
  }
  expect(received()).toHaveLength(1);
});

const putOutput = (sidecar: Fixture, bytes: number) =>
  sidecar.execution('/output', { method: 'POST', body: JSON.stringify({ data: 'x'.repeat(bytes) }) });

test('bodies for which there is no room are put off, not taken', async () => {
  await using small = await boundSidecar({ limits: { bodyRoomBytes: 1_000_000, patienceMs: 0 } });
  const refused = await putOutput(small, 1_000_000);
  expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1']);
  expect((await putOutput(small, 900_000)).status).toBe(200);
  expect((await putOutput(small, 900_000)).status).toBe(200);
});

test('bodies that together are more than there is room for wait for each other', async () => {
  await using small = await boundSidecar({ limits: { bodyRoomBytes: 1_000_000 } });
  const answers = await Promise.all([1, 2, 3].map(() => putOutput(small, 900_000)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
});

test('health and metrics are open', async () => {
  const health = await fixture.call('/health', { token: '' });
  expect(health.json()).toEqual({ status: 'ok', valkey: 'reachable', results: 'reachable' });
  expect((await fixture.call('/metrics', { token: '' })).text).toMatch(
    /cronium_runtime_requests_total\{status="200"\} \d+/,
  );
});
