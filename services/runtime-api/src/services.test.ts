import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { Worker } from 'node:worker_threads';
import type { ServiceRoute } from '@cronium/contracts';
import { afterEach, expect, test } from 'vitest';
import { type ServiceEvent, ServiceGate } from './services.ts';

const stack: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of stack.splice(0).reverse()) await end();
});

/** A service on this machine. */
async function serve(onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.push(() => closed(server));
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, 'close');
}

const newAddress = () => `127.${randomInt(1, 255)}.${randomInt(0, 255)}.${randomInt(2, 255)}`;
const route = (name: string, targetPort: number, address = newAddress()): ServiceRoute => ({
  ...{ name, address, port: 5432 },
  ...{ targetHost: 'localhost', targetPort },
});

async function gateTo(
  routes: readonly ServiceRoute[],
  limits: { connections?: number; connectMs?: number } = {},
) {
  const events: ServiceEvent[] = [];
  const onError = (error: Error) => events.push({ service: '', result: 'failed', reason: error.message });
  const gate = new ServiceGate({ onEvent: (event) => events.push(event), onError, limits });
  await gate.open(routes);
  stack.push(() => gate.close());
  return { gate, events };
}

/** As a job would. */
async function dial({ address, port }: ServiceRoute): Promise<Socket> {
  const socket = connect({ host: address, port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  stack.push(() => socket.destroy());
  return socket;
}

/** Resolves when the socket is closed, however; what it says before is not read. */
function broken(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on('error', () => undefined).once('close', () => resolve());
  socket.resume();
  return promise;
}

test('two services on one port are kept apart by their addresses', async () => {
  const says = (word: string) => serve((socket) => socket.end(word));
  const routes = [route('one', await says('one')), route('two', await says('two'))];
  const { events } = await gateTo(routes);
  for (const each of routes) expect(await text(await dial(each))).toBe(each.name);
  expect(events).toEqual(routes.map(({ name }) => ({ service: name, result: 'opened' })));
});

test('megabytes pass as they are, and an end on one side leaves the other way open', async () => {
  const echo = route('echo', await serve((socket) => socket.pipe(socket)));
  const late = route(
    'late',
    await serve((socket) => {
      let bytes = 0;
      socket.on('data', (chunk) => {
        bytes += chunk.length;
      });
      socket.once('end', () => socket.end(`${bytes} bytes, then this`));
    }),
  );
  await gateTo([echo, late]);
  const sent = Buffer.alloc(8_000_000, 'bytes of a query');
  const one = await dial(echo);
  one.end(sent);
  expect((await buffer(one)).equals(sent)).toBe(true);
  const other = await dial(late);
  other.end(sent);
  expect(await text(other)).toBe(`${sent.length} bytes, then this`);
});

test('a service that cannot be reached is named, and the job’s connection breaks', async () => {
  const port = await serve(() => undefined);
  await stack.pop()?.();
  const away = route('away', port);
  const nowhere = { ...route('nowhere', 1), targetHost: 'no-such-host.invalid' };
  const { events } = await gateTo([away, nowhere]);
  for (const each of [away, nowhere]) await broken(await dial(each));
  expect(events).toEqual([
    {
      service: 'away',
      result: 'failed',
      reason: expect.stringMatching(`localhost:${port} cannot.*ECONNREFUSED`),
    },
    {
      service: 'nowhere',
      result: 'failed',
      reason: expect.stringContaining('no-such-host.invalid:1 cannot'),
    },
  ]);
});

/** Listens, and takes no connection: when its queue is full, the kernel answers no more. */
const DEAF = `
const { createServer } = require('node:net');
const { parentPort } = require('node:worker_threads');
const server = createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
  parentPort.postMessage(server.address().port);
  setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
});`;

test('a service that does not answer is given up', async () => {
  const worker = new Worker(DEAF, { eval: true });
  stack.push(() => worker.terminate());
  const [port] = await once(worker, 'message');
  const waiting = Array.from({ length: 4 }, () => connect({ host: '127.0.0.1', port }));
  stack.push(() => waiting.map((socket) => socket.destroy()));
  const deaf = { ...route('deaf', port), targetHost: '127.0.0.1' };
  const { events } = await gateTo([deaf], { connectMs: 300 });
  await broken(await dial(deaf));
  expect(events).toEqual([
    { service: 'deaf', result: 'failed', reason: expect.stringContaining('no answer in 300 ms') },
  ]);
});

test('a job has so many connections at most, and gets others when it has closed some', async () => {
  const echo = route('echo', await serve((socket) => socket.pipe(socket)));
  const { events } = await gateTo([echo], { connections: 2 });
  const [first, second] = [await dial(echo), await dial(echo)];
  for (const socket of [first, second]) {
    socket.write('.');
    await once(socket, 'data');
  }
  await broken(connect({ host: echo.address, port: echo.port }));
  expect(events.at(-1)).toMatchObject({
    result: 'refused',
    reason: expect.stringContaining('2 connections'),
  });
  first.end();
  await buffer(first);
  // The gate hears of it a moment later than we do.
  for (;;) {
    const next = connect({ host: echo.address, port: echo.port });
    next.end('again');
    if ((await text(next).catch(() => '')) === 'again') break;
  }
  expect(second.destroyed).toBe(false);
});

test('a port that is taken is named, and no other stays open', async () => {
  const address = newAddress();
  const taken = createServer().listen(5432, address);
  await once(taken, 'listening');
  stack.push(() => closed(taken));
  const free = route('free', 1);
  await expect(gateTo([free, route('taken', 1, address)])).rejects.toThrow(
    `the service taken cannot be offered at ${address}:5432`,
  );
  await expect(dial(free)).rejects.toThrow('ECONNREFUSED');
});

test('closing it breaks what is open, on both sides, and what is being opened', async () => {
  const upstream = Promise.withResolvers<Socket>();
  const held = route('held', await serve((socket) => upstream.resolve(socket)));
  const { gate, events } = await gateTo([held]);
  const client = await dial(held);
  const service = await upstream.promise;
  const ends = [broken(client), broken(service)];
  service.resume();
  ends.push(broken(await dial(held)));
  await gate.close();
  await Promise.all(ends);
  await expect(dial(held)).rejects.toThrow('ECONNREFUSED');
  expect(events.filter(({ result }) => result !== 'opened')).toEqual([]);
});
