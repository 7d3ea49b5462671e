import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createConnection } from 'node:net';
import { fileURLToPath } from 'node:url';
import { acceptedBatch, fleetEvent, jobIdForLine, keysFor, problem } from '@cronium/contracts';
import {
  dropKeys,
  eventually,
  privateValkey,
  startProcess,
  type TestProcess,
  testEnvironment,
  testPrefix,
} from '@cronium/testing';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from './limits.ts';
import { API_KEY, JOB, payloadsOf } from './test/harness.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const HEADERS = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/x-ndjson' };
const MIB = 2 ** 20;
const CHUNK = DEFAULT_LIMITS.chunkJobs;

/** Sends bytes, and gives all that comes back until the server ends the connection. */
async function exchange(port: number, sent: string): Promise<string> {
  const socket = createConnection(port, '127.0.0.1');
  socket.end(sent);
  const received = await socket.toArray();
  return Buffer.concat(received).toString();
}

interface Producer extends AsyncDisposable {
  readonly process: TestProcess;
  readonly port: number;
  readonly url: string;
}

function environment(prefix: string, more: Record<string, string> = {}): Record<string, string> {
  return {
    CRONIUM_VALKEY_URL: testEnvironment().valkeyUrl,
    CRONIUM_PREFIX: prefix,
    CRONIUM_API_KEYS: `tests=${API_KEY}`,
    CRONIUM_HOST: '127.0.0.1',
    CRONIUM_PORT: '0',
    CRONIUM_SHUTDOWN_SECONDS: '5',
    ...more,
  };
}

async function startProducer(prefix: string, more?: Record<string, string>): Promise<Producer> {
  const process = await startProcess({
    script: MAIN,
    env: environment(prefix, more),
    ready: /"port":(\d+),"msg":"listening"/,
  });
  const port = Number(process.ready?.[1]);
  return {
    process,
    port,
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

/** A prefix of the test's own and a client; `await using` removes the keys. */
async function ownKeys() {
  const prefix = testPrefix();
  const valkey = new Redis(testEnvironment().valkeyUrl);
  return {
    prefix,
    valkey,
    [Symbol.asyncDispose]: async () => {
      valkey.disconnect();
      await dropKeys(prefix);
    },
  };
}

/** An upload whose pieces the test sends one by one. */
function openUpload(port: number, headers: Record<string, string> = {}) {
  const upload = request({
    port,
    host: '127.0.0.1',
    path: '/v1/batches',
    method: 'POST',
    headers: { ...HEADERS, ...headers },
  });
  const answered = new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    upload.on('error', reject);
    upload.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }));
      response.on('error', reject);
    });
  });
  answered.catch(() => undefined);
  return { upload, answered };
}

const line = (i: number) => `${JSON.stringify({ ...JOB, name: `n${i}` })}\n`;

function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

/** Streams lines that are padded with white space, which is read and not kept. */
async function streamLines(
  producer: Producer,
  { count, bytesEach }: { count: number; bytesEach: number },
): Promise<number> {
  const { upload, answered } = openUpload(producer.port);
  const padded = (i: number) =>
    line(i)
      .trimEnd()
      .padEnd(bytesEach - 1)
      .concat('\n');
  let most = 0;
  for (let i = 0; i < count; i += 500) {
    const lines = Array.from({ length: Math.min(500, count - i) }, (_, j) => padded(i + j)).join('');
    if (!upload.write(lines)) await new Promise((resolve) => upload.once('drain', resolve));
    most = Math.max(most, residentBytes(producer.process.pid));
  }
  upload.end();
  expect(await answered).toMatchObject({ status: 202, body: { accepted: count, rejectedTotal: 0 } });
  return Math.max(most, residentBytes(producer.process.pid));
}

describe('the process', () => {
  it('explains itself', async () => {
    await using help = await startProcess({ script: MAIN, args: ['--help'] });
    expect(await help.exited).toEqual({ code: 0, signal: null });
    expect(help.lines().join('\n')).toContain('CRONIUM_VALKEY_URL');
  });

  it('tells the audit log where a request came from', async () => {
    await using keys = await ownKeys();
    await using producer = await startProducer(keys.prefix);
    const response = await fetch(`${producer.url}/v1/jobs`, {
      method: 'POST',
      headers: { ...HEADERS, 'content-type': 'application/json' },
      body: JSON.stringify(JOB),
    });
    expect(response.status).toBe(202);
    const entries = await keys.valkey.xrange(keysFor(keys.prefix).events, '-', '+');
    const events = entries.map(([, fields]) => fleetEvent.parse(JSON.parse(fields[1] ?? '')));
    const deeds = events.flatMap((event) => (event.type === 'audit' ? [event.entry] : []));
    expect(deeds).toEqual([expect.objectContaining({ action: 'job.submit', from: '127.0.0.1' })]);
  });

  it('refuses to start with a Valkey that could lose jobs, and says what to set', async () => {
    await using server = await privateValkey('--save', '', '--maxmemory-policy', 'allkeys-lru');
    await using producer = await startProcess({
      script: MAIN,
      env: environment('{t-x}', { CRONIUM_VALKEY_URL: server.url }),
    });
    expect((await producer.exited).code).toBe(1);
    expect(producer.lines().join('\n')).toMatch(/set maxmemory-policy noeviction; .*set appendonly yes/);
  });

  it('answers what is no HTTP with a problem document', async () => {
    await using producer = await startProducer(testPrefix(), { CRONIUM_VALKEY_URL: 'redis://127.0.0.1:1' });
    const [head = '', body = ''] = (await exchange(producer.port, 'NONSENSE\r\n\r\n')).split('\r\n\r\n');
    expect(head).toMatch(/^HTTP\/1.1 400 .*application\/problem\+json/s);
    expect(problem.parse(JSON.parse(body))).toMatchObject({ status: 400 });
    const long = `GET /health HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`;
    expect(await exchange(producer.port, long)).toMatch(/^HTTP\/1.1 431 .*application\/problem\+json/s);
  });

  it('starts without Valkey, and names it', async () => {
    await using producer = await startProducer(testPrefix(), {
      CRONIUM_VALKEY_URL: 'redis://:secret@127.0.0.1:1',
    });
    const response = await fetch(`${producer.url}/ready`);
    expect(response.status).toBe(503);
    const text = await response.text();
    expect(text).toMatch(
      /Valkey at redis:\/\/:\*\*\*@127\.0\.0\.1:1 does not answer. Start it, or set CRONIUM_VALKEY_URL/,
    );
    expect((await fetch(`${producer.url}/health`)).status).toBe(200);
    expect((await fetch(`${producer.url}/v1/queues`, { headers: HEADERS })).status).toBe(503);
    expect((await producer.process.kill()).code).toBe(0);
  });

  it('ends an upload that goes on before it stops, and exits with 0', async () => {
    await using keys = await ownKeys();
    await using producer = await startProducer(keys.prefix);
    const { upload, answered } = openUpload(producer.port);
    for (let i = 0; i < 600; i++) upload.write(line(i));
    await eventually(async () => (await payloadsOf(keys.valkey, `${keys.prefix}:default`)).size >= 500, {
      what: 'the upload is on its way',
    });
    producer.process.signal('SIGTERM');
    await producer.process.line(/"msg":"stopping"/);
    upload.end(line(600));
    expect(await answered).toMatchObject({ status: 202, body: { accepted: 601 } });
    expect(await producer.process.exited).toEqual({ code: 0, signal: null });
  });

  it('tells an upload without an end that it stops, and what was accepted', async () => {
    await using keys = await ownKeys();
    await using producer = await startProducer(keys.prefix, { CRONIUM_SHUTDOWN_SECONDS: '2' });
    const { upload, answered } = openUpload(producer.port);
    for (let i = 0; i < 3.5 * CHUNK; i++) upload.write(line(i));
    await eventually(
      async () => (await payloadsOf(keys.valkey, `${keys.prefix}:default`)).size >= 3 * CHUNK,
      {
        what: 'the upload is on its way',
      },
    );
    producer.process.signal('SIGTERM');
    expect(await answered).toMatchObject({
      status: 503,
      body: { accepted: 3 * CHUNK, type: expect.stringMatching(/stopping$/) },
    });
    upload.destroy();
    expect(await producer.process.exited).toEqual({ code: 0, signal: null });
  });

  it('killed in the middle of a batch leaves nothing that sending it again would double', async () => {
    await using keys = await ownKeys();
    const key = { 'idempotency-key': 'killed' };
    await using first = await startProducer(keys.prefix);
    const { upload } = openUpload(first.port, key);
    for (let i = 0; i < 3000; i++) upload.write(line(i));
    await eventually(async () => (await payloadsOf(keys.valkey, `${keys.prefix}:default`)).size >= 1000, {
      what: 'the upload is on its way',
    });
    await first.process.kill('SIGKILL');
    await using second = await startProducer(keys.prefix);
    const body = Array.from({ length: 4000 }, (_, i) => line(i)).join('');
    const response = await fetch(`${second.url}/v1/batches`, {
      method: 'POST',
      headers: { ...HEADERS, ...key },
      body,
    });
    const batch = acceptedBatch.parse(await response.json());
    expect(batch.accepted).toBe(4000);
    const payloads = await payloadsOf(keys.valkey, `${keys.prefix}:default`);
    expect(new Set(payloads.keys())).toEqual(
      new Set(Array.from({ length: 4000 }, (_, i) => jobIdForLine(batch.batchId, i + 1))),
    );
  });

  it('outlives a client that goes away in the middle of an upload', async () => {
    await using keys = await ownKeys();
    await using producer = await startProducer(keys.prefix);
    const { upload } = openUpload(producer.port);
    for (let i = 0; i < 5.5 * CHUNK; i++) upload.write(line(i));
    await eventually(
      async () => (await payloadsOf(keys.valkey, `${keys.prefix}:default`)).size >= 5 * CHUNK,
      {
        what: 'the upload is on its way',
      },
    );
    upload.on('error', () => undefined);
    upload.destroy();
    await producer.process.line(/a batch broke off/);
    expect((await payloadsOf(keys.valkey, `${keys.prefix}:default`)).size).toBe(5 * CHUNK);
    expect((await fetch(`${producer.url}/v1/queues`, { headers: HEADERS })).status).toBe(200);
  });

  it('refuses a body that is too long without reading it', async () => {
    await using keys = await ownKeys();
    await using producer = await startProducer(keys.prefix);
    const headers = { ...HEADERS, 'content-type': 'application/json' };
    const response = await fetch(`${producer.url}/v1/jobs`, {
      method: 'POST',
      headers,
      body: Buffer.alloc(50 * MIB, 'x'),
    });
    expect(response.status).toBe(413);
    expect((await fetch(`${producer.url}/health`)).status).toBe(200);
  });

  it('drops a client that never ends its headers', async () => {
    await using keys = await ownKeys();
    await using producer = await startProducer(keys.prefix);
    const socket = createConnection(producer.port, '127.0.0.1');
    socket.write('POST /v1/jobs HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.resume();
    await closed;
    expect((await fetch(`${producer.url}/health`)).status).toBe(200);
  });

  it('streams 100,000 lines without growing with them', async () => {
    await using keys = await ownKeys();
    // A small heap is collected soon: what is left in memory is needed. The jobs of such a batch would not fit into it.
    const heap = { NODE_OPTIONS: '--max-old-space-size=96 --max-semi-space-size=8' };
    await using producer = await startProducer(keys.prefix, heap);
    // The first batch brings the process to its working size.
    const before = await streamLines(producer, { count: 10_000, bytesEach: 1000 });
    const during = await streamLines(producer, { count: 100_000, bytesEach: 1000 });
    expect(during - before).toBeLessThan(60 * MIB);
  }, 240_000);
});
