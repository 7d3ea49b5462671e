import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import type { EgressPolicy } from '@cronium/contracts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { boundSidecar, type Fixture } from './testing/fixture.ts';

let fixture: Fixture;
/** Sends back what it gets. */
let echo: Server;
let echoPort: number;
beforeAll(async () => {
  fixture = await boundSidecar();
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  echoPort = (echo.address() as AddressInfo).port;
});
beforeEach(() => {
  fixture.results.received.length = 0;
});
afterAll(async () => {
  await fixture[Symbol.asyncDispose]();
  echo.close();
});

async function rebind(egress: Partial<EgressPolicy>): Promise<void> {
  await fixture.sidecar.carryOut({ type: 'unbind' });
  await fixture.bind(egress);
}

/** What the proxy answers a CONNECT with, and the tunnel. */
async function tunnelTo(destination: string): Promise<{ head: string; socket: Socket }> {
  const socket = connect(fixture.proxy.port, fixture.proxy.host);
  socket.write(`CONNECT ${destination} HTTP/1.1\r\nHost: ${destination}\r\n\r\n`);
  const [head] = await once(socket, 'data');
  return { head: String(head), socket };
}

async function refusalOf(destination: string): Promise<{ status: number; detail: string }> {
  const { head, socket } = await tunnelTo(destination);
  const rest = (await buffer(socket)).toString();
  const [lines = '', body = ''] = `${head}${rest}`.split('\r\n\r\n');
  expect(lines.toLowerCase()).toContain('content-type: application/problem+json');
  return { status: Number(lines.split(' ')[1]), detail: JSON.parse(body).detail };
}

function through(url: string, { method = 'GET', body = '' } = {}): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const headers = { 'proxy-authorization': 'secret', connection: 'x-mine', 'x-mine': '1', 'x-kept': '2' };
  httpRequest({ ...fixture.proxy, method, path: url, headers, agent: false }, async (answer) => {
    resolve({ status: answer.statusCode ?? 0, text: (await buffer(answer)).toString() });
  })
    .once('error', reject)
    .end(body);
  return promise;
}

test('a tunnel passes bytes both ways, and says how long name and connection took', async () => {
  await rebind({ mode: 'allow', allow: [`localhost:${echoPort}`], allowPrivate: ['127.0.0.0/8', '::1/128'] });
  const { head, socket } = await tunnelTo(`localhost:${echoPort}`);
  expect(head).toMatch(/^HTTP\/1\.1 200 .*\r\nServer-Timing: dns;dur=[\d.]+, connect;dur=[\d.]+\r\n/);
  const sent = Buffer.alloc(1_000_000, 'bytes');
  socket.end(sent);
  expect((await buffer(socket)).equals(sent)).toBe(true);
});

test('a name that resolves to a private address is refused, and the answer says why', async () => {
  await rebind({ mode: 'internet' });
  const refusal = await refusalOf(`localhost:${echoPort}`);
  expect(refusal.status).toBe(403);
  expect(refusal.detail).toMatch(/localhost:\d+ is .*127\.0\.0\.1.*not a public address/);
});

test.each(['127.0.0.1', '169.254.169.254', '[::1]', '[::ffff:7f00:1]', '0x7f000001', '2130706433', '0'])(
  'an address in any spelling is refused unless it is public: %s',
  async (host) => {
    await rebind({ mode: 'internet' });
    expect((await refusalOf(`${host}:${echoPort}`)).status).toBe(403);
  },
);

test('what the job did not ask for is refused', async () => {
  await rebind({ mode: 'allow', allow: ['api.example.com:443'], allowPrivate: ['127.0.0.0/8'] });
  expect(await refusalOf(`127.0.0.1:${echoPort}`)).toMatchObject({
    status: 403,
    detail: expect.stringContaining('"egress"'),
  });
});

test("the fleet's own services stay closed in an opened range, and open to a rule for them alone", async () => {
  const results = `127.0.0.1:${fixture.results.port}`;
  await rebind({ mode: 'internet', allowPrivate: ['127.0.0.0/8'] });
  expect(await refusalOf(results)).toMatchObject({
    status: 403,
    detail: expect.stringContaining('of the fleet'),
  });
  await rebind({ mode: 'internet', allowPrivate: [results] });
  expect((await tunnelTo(results)).head).toMatch(/^HTTP\/1\.1 200 /);
});

test('a destination that cannot be reached is 502, not a refusal', async () => {
  await rebind({ mode: 'internet', allowPrivate: ['127.0.0.0/8'] });
  expect(await refusalOf('127.0.0.1:1')).toMatchObject({
    status: 502,
    detail: expect.stringContaining('ECONNREFUSED'),
  });
  expect((await refusalOf('no-such-name.invalid:80')).status).toBe(502);
});

test.each(['example.com', 'example.com:0', ':80', 'a b:80'])(
  '400 for a CONNECT to %j',
  async (destination) => {
    await rebind({ mode: 'internet' });
    expect((await refusalOf(destination)).status).toBe(400);
  },
);

test('a plain request is passed on without the headers of its connection', async () => {
  const url = `http://127.0.0.1:${fixture.results.port}`;
  await rebind({ mode: 'internet', allowPrivate: [`127.0.0.1:${fixture.results.port}`] });
  fixture.results.next.push({ status: 418, json: { tea: true } });
  expect(await through(`${url}/a/b?c=d`, { method: 'POST', body: 'body' })).toEqual({
    status: 418,
    text: '{"tea":true}',
  });
  const [request] = fixture.results.received;
  expect(request).toMatchObject({
    method: 'POST',
    url: '/a/b?c=d',
    headers: { host: url.slice(7), 'x-kept': '2' },
  });
  expect(request?.body.toString()).toBe('body');
  expect(Object.keys(request?.headers ?? {})).not.toContain('proxy-authorization');
  expect(Object.keys(request?.headers ?? {})).not.toContain('x-mine');
});

test('a plain request is refused like a tunnel; one that is for the proxy itself is no request', async () => {
  await rebind({ mode: 'internet' });
  expect(await through(`http://localhost:${echoPort}/`)).toMatchObject({ status: 403 });
  expect(await through('/metrics')).toMatchObject({ status: 400 });
  expect(await through('http://user:password@example.com/')).toMatchObject({ status: 400 });
});

test('the end of the attempt closes its tunnels, and opens no new ones', async () => {
  await rebind({ mode: 'internet', allowPrivate: ['127.0.0.0/8'] });
  const { socket } = await tunnelTo(`127.0.0.1:${echoPort}`);
  const closed = once(socket, 'close');
  await fixture.sidecar.carryOut({ type: 'unbind' });
  await closed;
  await expect(refusalOf(`127.0.0.1:${echoPort}`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});

test('a policy that cannot be read fails the bind, not the job’s first request', async () => {
  await fixture.sidecar.carryOut({ type: 'unbind' });
  await expect(fixture.bind({ mode: 'internet', allowPrivate: ['10.0.0.0/99'] })).rejects.toThrow(RangeError);
  await expect(fixture.bind({ mode: 'internet', allowPrivate: ['ten/8'] })).rejects.toThrow(
    /not an address range/,
  );
});
