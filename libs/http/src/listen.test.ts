import { createConnection } from 'node:net';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { listen } from './listen.ts';

const ANYWHERE = { host: '127.0.0.1', port: 0 };

/** A server whose only answer comes when the test says so. */
async function holding() {
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<string>();
  const server = await listen(
    {
      fetch: async () => {
        asked.resolve();
        return new Response(await answer.promise);
      },
    },
    ANYWHERE,
  );
  const got = fetch(`http://127.0.0.1:${server.port}/`).then((response) => response.text());
  await asked.promise;
  return { server, got, answer: answer.resolve };
}

test('a drain waits for the request that goes on, and takes no new one', async () => {
  const { server, got, answer } = await holding();
  const drained = server.drain({ patienceMs: 60_000, hurry: () => answer('hurried') });
  const url = `http://127.0.0.1:${server.port}/`;
  await eventually(
    () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    { what: 'new requests are refused' },
  );
  answer('by itself');
  expect(await got).toBe('by itself');
  await drained;
});

test('past its patience a drain tells requests to end, and they get their answer', async () => {
  const { server, got, answer } = await holding();
  await server.drain({ patienceMs: 10, hurry: () => answer('hurried'), graceMs: 60_000 });
  expect(await got).toBe('hurried');
});

test('a request that does not end is cut', async () => {
  const { server, got } = await holding();
  const cut = expect(got).rejects.toThrow();
  await server.drain({ patienceMs: 10, graceMs: 10 });
  await cut;
});

test('what is no HTTP gets a problem document all the same', async () => {
  const server = await listen({ fetch: () => new Response() }, ANYWHERE);
  const socket = createConnection(server.port, '127.0.0.1');
  socket.end('what is this\r\n\r\n');
  const answer = Buffer.concat(await socket.toArray()).toString();
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json\r\n/);
  await server.drain({ patienceMs: 0 });
});

test('a port that is taken is an error that names it', async () => {
  const server = await listen({ fetch: () => new Response() }, ANYWHERE);
  await expect(
    listen({ fetch: () => new Response() }, { host: '127.0.0.1', port: server.port }),
  ).rejects.toThrow(`127.0.0.1:${server.port}`);
  await server.drain({ patienceMs: 0 });
});
