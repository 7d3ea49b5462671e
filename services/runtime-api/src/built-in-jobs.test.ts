import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { EGRESS_PORT, RUNTIME_PORT } from '@cronium/contracts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { ATTEMPT, boundSidecar, type Fixture } from './testing/fixture.ts';

const PROGRAMS = fileURLToPath(new URL('../../../images/helpers/node', import.meta.url));
const TRACE = '0123456789abcdef0123456789abcdef';
const RUN_SPAN = 'fedcba9876543210';
const MIB = 1024 * 1024;

let fixture: Fixture;
/** The host that http jobs talk to. */
let site: Server;
let origin: string;
let seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] = [];

const PAGES: Readonly<Record<string, (response: ServerResponse) => void>> = {
  '/hello': (response) => response.setHeader('content-type', 'text/plain').end('grüße'),
  '/missing': (response) => response.writeHead(404).end('no such page'),
  '/binary': (response) => response.end(Buffer.from([0xff, 0x00, 0xfe])),
  '/large': (response) => response.end(`x${'é'.repeat(MIB)}`),
  '/here': (response) => response.writeHead(302, { location: '/hello' }).end(),
  '/see-other': (response) => response.writeHead(303, { location: '/hello' }).end(),
  '/keep': (response) => response.writeHead(307, { location: '/hello' }).end(),
  '/round': (response) => response.writeHead(302, { location: '/round' }).end(),
  '/away': (response) => response.writeHead(302, { location: 'http://169.254.169.254/latest' }).end(),
  '/other': (response) =>
    response.writeHead(302, { location: `${origin.replace('127.0.0.1', 'localhost')}/hello` }).end(),
  '/cut': (response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half');
    setImmediate(() => response.destroy());
  },
};

beforeAll(async () => {
  fixture = await boundSidecar();
  site = createServer(async (message, response) => {
    const { method = '', url = '', headers } = message;
    seen.push({ method, url, headers, body: await text(message) });
    PAGES[url]?.(response) ?? response.end();
  }).listen(0, '127.0.0.1');
  await once(site, 'listening');
  const { port } = site.address() as AddressInfo;
  origin = `http://127.0.0.1:${port}`;
  await fixture.sidecar.carryOut({ type: 'unbind' });
  await fixture.bind({
    mode: 'internet',
    allowPrivate: [`127.0.0.1:${port}`, `localhost:${port}`, '127.0.0.1:1'],
  });
});
beforeEach(() => {
  seen = [];
  fixture.results.received.length = 0;
});
afterAll(async () => {
  site.close();
  await fixture[Symbol.asyncDispose]();
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the job gave as its output. */
  readonly output: unknown;
}

async function run(program: string, variables: Record<string, string>): Promise<Ran> {
  const api = `http://${fixture.address}:${RUNTIME_PORT}`;
  const proxy = `http://${fixture.address}:${EGRESS_PORT}`;
  const env = {
    ...variables,
    CRONIUM_EXECUTION_ID: ATTEMPT,
    CRONIUM_EXECUTION_TOKEN: fixture.token,
    CRONIUM_RUNTIME_API: api,
    OTEL_EXPORTER_OTLP_ENDPOINT: `${api}/otlp`,
    TRACEPARENT: `00-${TRACE}-${RUN_SPAN}-01`,
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    NO_PROXY: `${fixture.address},localhost.example`,
    NODE_USE_ENV_PROXY: '1',
  };
  const child = spawn(process.execPath, [`${PROGRAMS}/${program}`], { env });
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  const told = fixture.results.received.findLast(({ url }) => url.endsWith('/output'));
  return { code, stdout, stderr, output: told && JSON.parse(told.body.toString()).data };
}

const http = (request: Record<string, unknown>) =>
  run('http-job.mjs', { CRONIUM_HTTP_REQUEST: JSON.stringify(request) });

test('the response is the output, in a line on stdout, and in the trace', async () => {
  const { code, stdout, stderr, output } = await http({ method: 'GET', url: `${origin}/hello` });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(new RegExp(`^GET ${origin}/hello: 200 in [\\d.]+ ms\\n$`));
  const milliseconds = expect.any(Number);
  expect(output).toEqual({
    status: 200,
    url: `${origin}/hello`,
    headers: expect.objectContaining({ 'content-type': 'text/plain' }),
    body: 'grüße',
    truncated: false,
    redirects: 0,
    timings: {
      dnsMs: milliseconds,
      connectMs: milliseconds,
      firstByteMs: milliseconds,
      totalMs: milliseconds,
    },
  });
  const told = fixture.results.received.find(({ url }) => url.endsWith('/otlp/v1/traces'));
  const { spans } = JSON.parse(String(told?.body)).resourceSpans[0].scopeSpans[0];
  expect(spans.map(({ name }: { name: string }) => name)).toEqual(['GET', 'dns', 'connect', 'first byte']);
  expect(spans[0]).toMatchObject({ traceId: TRACE, parentSpanId: RUN_SPAN });
  expect(spans[1].parentSpanId).toBe(spans[0].spanId);
});

test('method, headers and body arrive as they were given, without the headers that are the program’s', async () => {
  const headers = { 'X-Mine': 'yes', Host: 'example.com', 'Content-Length': '1', Connection: 'upgrade' };
  expect((await http({ method: 'POST', url: `${origin}/hello`, headers, body: 'bödy' })).code).toBe(0);
  expect(seen).toMatchObject([
    {
      method: 'POST',
      body: 'bödy',
      headers: { 'x-mine': 'yes', host: 'example.com', 'content-length': '5' },
    },
  ]);
  expect(seen[0]?.headers.connection).not.toBe('upgrade');
});

test.each([
  ['/hello', undefined, 0, ''],
  ['/hello', [204, 404], 1, 'status 200 is not expected; expected is 204, 404\n'],
  ['/missing', undefined, 1, 'status 404 is not expected; expected is 200 to 399\n'],
  ['/missing', [404], 0, ''],
  ['/here', [302], 0, ''],
])('the exit code says whether the status is expected: %s %j', async (path, expectStatus, code, stderr) => {
  const ran = await http({ method: 'GET', url: `${origin}${path}`, expectStatus });
  expect(ran).toMatchObject({ code, stderr });
  // Also an unexpected response is the output.
  expect(ran.output).toMatchObject({ status: expect.any(Number) });
});

test('a body that is not text is base64, one that is too long is cut off at a character', async () => {
  expect((await http({ url: `${origin}/binary` })).output).toMatchObject({
    body: '/wD+',
    encoding: 'base64',
  });
  const { output } = await http({ url: `${origin}/large` });
  expect(output).toMatchObject({ body: `x${'é'.repeat(MIB / 2 - 1)}`, truncated: true });
});

test.each([
  ['/here', 'POST', ['POST /here x', 'GET /hello ']],
  ['/here', 'PUT', ['PUT /here x', 'PUT /hello x']],
  ['/see-other', 'PUT', ['PUT /see-other x', 'GET /hello ']],
  ['/keep', 'POST', ['POST /keep x', 'POST /hello x']],
])('redirects are followed as browsers do: %s %s', async (path, method, asked) => {
  const { code, output } = await http({ method, url: `${origin}${path}`, body: 'x' });
  expect([code, output]).toMatchObject([0, { status: 200, url: `${origin}/hello`, redirects: 1 }]);
  expect(seen.map((one) => `${one.method} ${one.url} ${one.body}`)).toEqual(asked);
});

test('credentials stay with their origin', async () => {
  const headers = { Authorization: 'Bearer x', Cookie: 'a=b', 'X-Mine': '1' };
  await http({ url: `${origin}/here`, headers });
  await http({ url: `${origin}/other`, headers });
  expect(
    seen.map((one) => [one.url, one.headers.authorization, one.headers.cookie, one.headers['x-mine']]),
  ).toEqual([
    ['/here', 'Bearer x', 'a=b', '1'],
    ['/hello', 'Bearer x', 'a=b', '1'],
    ['/other', 'Bearer x', 'a=b', '1'],
    ['/hello', undefined, undefined, '1'],
  ]);
});

test.each([
  ['/round', /more than 5 redirects, the last to \/round/],
  ['/away', /no way to 169\.254\.169\.254:80: .*not a public address/],
  ['/cut', /aborted/],
])('what goes wrong is said on stderr, with exit code 1: %s', async (path, message) => {
  const { code, stderr, output } = await http({ url: `${origin}${path}` });
  expect([code, output]).toEqual([1, undefined]);
  expect(stderr).toMatch(message);
});

test.each([
  ['http://127.0.0.1:1/', /ECONNREFUSED/],
  ['http://10.0.0.1/', /10\.0\.0\.1:80 is 10\.0\.0\.1, which is not a public address/],
  ['http://no-such-name.invalid/', /no-such-name\.invalid could not be resolved/],
])('a connection that cannot be had: %s', async (url, message) => {
  const { code, stderr } = await http({ url });
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
});

test('a tool job calls the tool, and its answer is the output', async () => {
  fixture.results.next.push({ status: 200, json: { success: true, data: { answer: 'ok' } } });
  const call = { tool: 'slack', action: 'send-message', params: { text: 'hi' }, credential: 'team' };
  const ran = await run('tool-job.mjs', { CRONIUM_TOOL_CALL: JSON.stringify(call) });
  expect(ran).toEqual({
    code: 0,
    stdout: 'slack send-message: done\n',
    stderr: '',
    output: { answer: 'ok' },
  });
  expect(JSON.parse(String(fixture.results.received[0]?.body))).toEqual({
    tool: 'slack',
    action: 'send-message',
    config: { text: 'hi', credential: 'team' },
  });
});

test('a tool job whose tool fails says why and exits with 1', async () => {
  fixture.results.next.push({ status: 400, json: { detail: 'slack has no action fly' } });
  const ran = await run('tool-job.mjs', { CRONIUM_TOOL_CALL: '{"tool":"slack","action":"fly"}' });
  expect([ran.code, ran.output]).toEqual([1, undefined]);
  expect(ran.stderr).toMatch(/slack fly failed: .*slack has no action fly/);
});

test('a task that is too long for a variable comes in a file', async () => {
  const file = fileURLToPath(new URL('./testing/slack-call.json', import.meta.url));
  expect((await run('tool-job.mjs', { CRONIUM_TOOL_CALL_FILE: file })).code).toBe(0);
});
