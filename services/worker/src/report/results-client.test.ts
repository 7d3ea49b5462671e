import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { httpResults, isFault } from './results-client.ts';

const never = new AbortController().signal;
let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let url: string;

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response));
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  url = `http://127.0.0.1:${address.port}`;
});
afterEach(async () => {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  server.closeAllConnections();
  await closed.promise;
});

function client(timeoutMs = 5000) {
  return httpResults({ url, token: async () => 'a-token', timeoutMs });
}

function reply(status: number, body: unknown): typeof answer {
  return (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
}

test('it speaks with the node’s token and reads the answer', async () => {
  let seen: string | undefined;
  answer = (request, response) => {
    seen = `${request.method} ${request.url} ${request.headers.authorization}`;
    reply(200, { acks: [{ attemptId: 'a', nextChunk: 3 }] })(request, response);
  };
  expect(await client().sendLogs(Buffer.from('x'), never)).toEqual({
    acks: [{ attemptId: 'a', nextChunk: 3 }],
  });
  expect(seen).toBe('POST /internal/v1/logs Bearer a-token');
});

test.each([400, 413, 422])('%i is a refusal of the content, with the service’s own words', async (status) => {
  answer = reply(status, { type: 'x', title: 'Wrong', status, detail: 'payload.spec: unknown field' });
  await expect(client().sendUpdates([], never)).rejects.toMatchObject({
    code: 'REFUSED',
    status,
    message: expect.stringContaining('payload.spec: unknown field'),
  });
});

test.each([
  [500, true],
  [501, true],
  [403, true],
  [401, false],
  [429, false],
  [502, false],
  [503, false],
  [504, false],
  [422, false],
])('%i may come of one part of the request: %s', async (status, expected) => {
  answer = reply(status, {});
  const error = await client()
    .sendUpdates([], never)
    .catch((thrown: unknown) => thrown);
  expect(isFault(error)).toBe(expected);
});

test.each([401, 403, 404, 408, 429, 500, 503])('%i may change with time', async (status) => {
  answer = reply(status, {});
  await expect(client().sendUpdates([], never)).rejects.toMatchObject({ code: 'UNAVAILABLE', status });
});

test('no answer in time, no service and a broken answer are the service being away', async () => {
  answer = () => undefined;
  await expect(client(50).ping(never)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  answer = (_, response) => void response.writeHead(200).write('{"acks"', () => response.destroy());
  await expect(client().sendLogs(Buffer.from('x'), never)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const nobody = httpResults({ url: 'http://127.0.0.1:1', token: async () => 't' });
  await expect(nobody.ping(never)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: /127\.0\.0\.1:1 cannot be reached/,
  });
});

test('a connection that was closed while nothing was asked costs no answer', async () => {
  const asked: string[] = [];
  answer = (request, response) => {
    asked.push(String(request.url));
    reply(200, { acks: [] })(request, response);
  };
  const results = client();
  await results.sendLogs(Buffer.from('x'), never);
  // The next request is written to the connection that is kept, and finds it closed.
  server.once('request', (request) => request.socket.destroy());
  answer = () => {
    answer = (request, response) => {
      asked.push(String(request.url));
      reply(200, { acks: [] })(request, response);
    };
  };
  expect(await results.sendLogs(Buffer.from('y'), never)).toEqual({ acks: [] });
  expect(asked).toHaveLength(2);
});

test('an answer of many pieces, with any characters, is read whole', async () => {
  const attemptId = 'ä'.repeat(100_000);
  answer = (_, response) => {
    const body = Buffer.from(JSON.stringify({ acks: [{ attemptId, nextChunk: 1 }] }));
    response.writeHead(200);
    response.write(body.subarray(0, 30_001));
    setImmediate(() => response.end(body.subarray(30_001)));
  };
  expect(await client().sendLogs(Buffer.from('x'), never)).toEqual({ acks: [{ attemptId, nextChunk: 1 }] });
});

test('a caller that gives up gets its own reason', async () => {
  answer = () => undefined;
  const stopping = new AbortController();
  const asked = client().ping(stopping.signal);
  stopping.abort(new Error('stopping'));
  await expect(asked).rejects.toThrow();
});
