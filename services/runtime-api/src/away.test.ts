import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { eventually, testEnvironment } from '@cronium/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { boundSidecar, type Fixture } from './testing/fixture.ts';

let fixture: Fixture;
beforeAll(async () => {
  fixture = await boundSidecar();
});
beforeEach(() => {
  fixture.results.received.length = 0;
});
afterAll(() => fixture[Symbol.asyncDispose]());

const output = () => fixture.execution('/output', { method: 'POST', body: '{"data":1}' });
const increment = () => fixture.execution('/variables/n/increment', { method: 'POST', body: '{"by":1}' });

test('a write waits while results is away, and is done once when it is back', async () => {
  await fixture.results.stop();
  const writes = [output(), increment(), fixture.execution('/artifacts/a', { method: 'PUT', body: 'bytes' })];
  const settled = Promise.race(writes.map((write) => write.then(() => 'answered')));
  // It answers others meanwhile, and says what is missing.
  const health = await fixture.call('/health', { token: '' });
  expect(health.json()).toEqual({ status: 'degraded', valkey: 'reachable', results: 'unreachable' });
  expect(await Promise.race([settled, 'waiting'])).toBe('waiting');
  await fixture.results.start();
  expect((await Promise.all(writes)).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(fixture.results.received.map(({ body }) => body.toString()).sort()).toEqual([
    'bytes',
    '{"by":1}',
    '{"data":1}',
  ]);
});

test('results away for longer than a call waits is 503 with Retry-After', async () => {
  await using impatient = await boundSidecar({ limits: { patienceMs: 0 } });
  await impatient.results.stop();
  const answer = await impatient.execution('/output', { method: 'POST', body: '{"data":1}' });
  expect([answer.status, answer.headers['retry-after']]).toEqual([503, '1']);
  expect(answer.json()).toMatchObject({ detail: expect.stringMatching(/results.*Nothing was written/) });
});

test('a results service that says 503 is asked again', async () => {
  fixture.results.next.push({ status: 503, json: {} }, { status: 503, json: {} });
  expect((await increment()).status).toBe(200);
  expect(fixture.results.received).toHaveLength(3);
});

test('a connection that breaks after a write was sent: it is sent again, a change of a variable under one key', async () => {
  for (const write of [output, increment]) {
    fixture.results.received.length = 0;
    fixture.results.next.push('drop');
    expect((await write()).status).toBe(200);
    expect(fixture.results.received).toHaveLength(2);
  }
  const keys = fixture.results.received.map(({ headers }) => headers['idempotency-key']);
  expect(keys).toEqual([expect.stringMatching(/^[\da-f-]{36}$/), keys[0]]);
});

test('what twice is not like once is sent when results is ready, and never again', async () => {
  const body = JSON.stringify({ tool: 'slack', action: 'send-message', config: {} });
  const tool = () => fixture.call('/tool-actions/execute', { method: 'POST', body });
  // As a balancer does that has nobody behind it.
  fixture.results.nextReady.push('drop', 'drop');
  expect((await tool()).status).toBe(200);
  expect(fixture.results.received).toHaveLength(1);
  fixture.results.next.push('drop');
  const answer = await tool();
  expect(answer.status).toBe(503);
  expect(answer.json()).toMatchObject({ detail: expect.stringMatching(/not known/) });
  expect(fixture.results.received).toHaveLength(2);
});

const UNREADY = { status: 503, json: { status: 503, detail: 'PostgreSQL does not answer' } } as const;
const upload = () => fixture.execution('/artifacts/a', { method: 'PUT', body: 'bytes' });

test('an upload waits while results listens but cannot serve yet, and its body is sent once', async () => {
  fixture.results.nextReady.push(UNREADY, UNREADY, UNREADY);
  expect((await upload()).status).toBe(200);
  expect(fixture.results.received.map(({ body }) => body.toString())).toEqual(['bytes']);
});

test('an upload that broke is answered when results is ready for it again', async () => {
  fixture.results.next.push('drop');
  fixture.results.nextReady.push({ status: 200 }, 'drop', UNREADY);
  const broken = await upload();
  expect([broken.status, broken.headers['retry-after']]).toEqual([503, '1']);
  expect(fixture.results.nextReady).toEqual([]);
  expect((await upload()).status).toBe(200);
});

test('an upload that breaks in its middle is answered when results is there again', async () => {
  await using cut = await boundSidecar();
  const restarted = Promise.withResolvers<void>();
  let isBroken = false;
  cut.results.onConnection((socket) =>
    socket.once('data', async (bytes) => {
      if (isBroken || !bytes.toString('latin1').startsWith('PUT')) return;
      isBroken = true;
      cut.results.nextReady.push('drop', 'drop');
      await cut.results.stop();
      await cut.results.start().then(restarted.resolve, restarted.reject);
    }),
  );
  const put = () => cut.execution('/artifacts/a', { method: 'PUT', body: Buffer.alloc(20_000_000) });
  expect((await put()).status).toBe(503);
  await restarted.promise;
  expect(cut.results.nextReady).toEqual([]);
  expect((await put()).status).toBe(200);
});

test('an upload that results puts off although it is ready is answered as late as other calls', async () => {
  await using patient = await boundSidecar({ limits: { patienceMs: 2000 } });
  patient.results.answer = () => UNREADY;
  const write = patient.execution('/output', { method: 'POST', body: '{"data":1}' });
  await eventually(() => patient.results.received.length > 2, { what: 'the write was tried three times' });
  const put = patient.execution('/artifacts/a', { method: 'PUT', body: 'bytes' });
  const first = await Promise.race([write.then(() => 'the write'), put.then(() => 'the upload')]);
  expect(first).toBe('the write');
  expect([(await put).status, (await put).json()]).toEqual([503, UNREADY.json]);
});

test('the end of the attempt ends what still waits', async () => {
  await using ending = await boundSidecar();
  ending.results.next.push('hang');
  const waiting = ending.execution('/output', { method: 'POST', body: '{"data":1}' }).catch(() => 'cut off');
  await eventually(() => ending.results.received.length === 1, { what: 'the write is with results' });
  await ending.sidecar.carryOut({ type: 'unbind' });
  expect(await waiting).toBe('cut off');
});

/** A way to Valkey that can be closed and opened. */
async function door(target: URL): Promise<{ url: string; open(): Promise<void>; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const end of [socket, upstream]) sockets.add(end.on('error', () => undefined));
    socket.pipe(upstream).pipe(socket);
  });
  let port = 0;
  const open = async () => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  };
  const close = async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
    await closed;
  };
  await open();
  const url = new URL(target);
  url.host = `127.0.0.1:${port}`;
  return { url: url.href, open, close };
}

test('a call waits while Valkey is away, and goes on when it is back', async () => {
  const valkey = await door(new URL(testEnvironment().valkeyUrl));
  await using cut = await boundSidecar({ valkeyUrl: valkey.url });
  expect((await cut.call('/health', { token: '' })).json()).toMatchObject({ status: 'ok' });
  await valkey.close();
  expect((await cut.call('/health', { token: '' })).json()).toMatchObject({ valkey: 'unreachable' });
  const write = cut.execution('/output', { method: 'POST', body: '{"data":1}' });
  expect((await cut.call('/health', { token: '' })).json()).toMatchObject({ status: 'degraded' });
  expect(cut.results.received).toEqual([]);
  await valkey.open();
  expect((await write).status).toBe(200);
  expect(cut.results.received).toHaveLength(1);
  await cut.sidecar.close();
  await valkey.close();
});
