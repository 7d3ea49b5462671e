import { connect, createServer, type Socket } from 'node:net';
import {
  type AcceptedJob,
  type AuditFact,
  acceptedJob,
  type FleetEvent,
  fleetEvent,
  type Keys,
  keysFor,
  type QueuePayload,
  queuePayload,
  readQueueData,
} from '@cronium/contracts';
import { createLogger } from '@cronium/telemetry';
import { dropKeys, listen, testEnvironment, testPrefix } from '@cronium/testing';
import type { Redis } from 'ioredis';
import { type AppDeps, createApp } from '../app.ts';
import { createValkey } from '../valkey/connection.ts';

export const API_KEY = 'a-key-of-the-tests';
/** A good job, as small as one can be. */
export const JOB = Object.freeze({ type: 'script', script: { language: 'bash', source: 'echo hi' } });

/** The app under test with a real Valkey, under a prefix of its own. */
export interface TestApp extends AsyncDisposable {
  readonly prefix: string;
  readonly keys: Keys;
  readonly valkey: Redis;
  readonly logged: readonly string[];
  request(path: string, init?: RequestInit): Promise<Response>;
  /** `POST` of a value as JSON, or of bytes as they are. */
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>;
  /** `POST /v1/batches` of lines. */
  lines(
    lines: readonly unknown[],
    options?: { query?: string; headers?: Record<string, string> },
  ): Promise<Response>;
  /** What was told to results, the audit log's entries apart. */
  events(): Promise<FleetEvent[]>;
  /** The audit log's entries. */
  deeds(): Promise<AuditFact[]>;
  /** All payloads in a queue, by job id. */
  payloads(queue?: string): Promise<Map<string, QueuePayload>>;
}

/** Starts the app; `await using` ends it and removes its keys. */
export async function startApp(options: Partial<AppDeps> & { valkeyUrl?: string } = {}): Promise<TestApp> {
  const { valkeyUrl = testEnvironment().valkeyUrl, ...deps } = options;
  const prefix = testPrefix();
  const valkey = createValkey(valkeyUrl);
  valkey.on('error', () => undefined);
  await valkey.connect();
  const logged: string[] = [];
  const log = createLogger({ service: 'producer', destination: { write: (line) => void logged.push(line) } });
  const { app, close } = createApp({
    valkey,
    prefix,
    apiKeys: { tests: API_KEY },
    resultsUrl: 'http://127.0.0.1:1',
    log,
    version: '0.0.0',
    stopping: new AbortController().signal,
    notReady: async () => undefined,
    ...deps,
  });
  const keys = keysFor(prefix);
  const request = async (path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${API_KEY}`);
    return app.request(path, { ...init, headers });
  };
  const told = async () =>
    (await valkey.xrange(keys.events, '-', '+')).map(([, [, text = '']]) =>
      fleetEvent.parse(JSON.parse(text)),
    );
  const post: TestApp['post'] = (path, body, headers = {}) => {
    const bytes = typeof body === 'string' || body instanceof Uint8Array || body instanceof ReadableStream;
    return request(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: bytes ? body : JSON.stringify(body),
      duplex: 'half',
    });
  };
  return {
    prefix,
    keys,
    valkey,
    logged,
    request,
    post,
    lines: (lines, { query = '', headers = {} } = {}) => {
      const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
      return post(`/v1/batches${query}`, text, { 'content-type': 'application/x-ndjson', ...headers });
    },
    events: async () => (await told()).filter(({ type }) => type !== 'audit'),
    deeds: async () => (await told()).flatMap((event) => (event.type === 'audit' ? [event.entry] : [])),
    payloads: (queue = 'default') => payloadsOf(valkey, `${prefix}:${queue}`),
    [Symbol.asyncDispose]: async () => {
      await close();
      valkey.disconnect();
      await dropKeys(prefix, valkeyUrl);
    },
  };
}

/** Submits a job that is accepted. */
export async function submit(
  app: TestApp,
  job: unknown,
  headers?: Record<string, string>,
): Promise<AcceptedJob> {
  const response = await app.post('/v1/jobs', job, headers);
  if (response.status !== 202) throw new Error(`not accepted: ${await response.text()}`);
  return acceptedJob.parse(await response.json());
}

/** The jobs that wait in a queue. */
export async function payloadsOf(valkey: Redis, queueKey: string): Promise<Map<string, QueuePayload>> {
  const ids = [
    ...(await valkey.zrange(`${queueKey}:prioritized`, '0', '-1')),
    ...(await valkey.zrange(`${queueKey}:delayed`, '0', '-1')),
  ];
  const payloads = await Promise.all(ids.map((id) => valkey.hget(`${queueKey}:${id}`, 'data')));
  return new Map(ids.map((id, i) => [id, queuePayload.parse(readQueueData(payloads[i] ?? ''))]));
}

/** A TCP connection to somewhere that can be cut, and made to swallow everything. */
export interface Wire extends AsyncDisposable {
  readonly url: string;
  /** Ends all connections and takes no more. */
  cut(): void;
  /** Lets nothing through, and ends nothing. */
  freeze(): void;
  /** Works as at the beginning. */
  restore(): void;
}

/** A wire to the Valkey of the run. */
export async function wireToValkey(target = testEnvironment().valkeyUrl): Promise<Wire> {
  const to = new URL(target);
  const sockets = new Set<Socket>();
  let state: 'open' | 'cut' | 'frozen' = 'open';
  const server = createServer((near) => {
    if (state === 'cut') return void near.destroy();
    const far = connect(Number(to.port || 6379), to.hostname);
    for (const [from, into] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => void (state === 'open' && into.write(bytes)));
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        into.destroy();
      });
    }
  });
  const port = await listen(server);
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(port);
  const end = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: url.href,
    cut: () => {
      state = 'cut';
      end();
    },
    freeze: () => {
      state = 'frozen';
    },
    restore: () => {
      end();
      state = 'open';
    },
    [Symbol.asyncDispose]: async () => {
      end();
      await new Promise((closed) => server.close(closed));
    },
  };
}
