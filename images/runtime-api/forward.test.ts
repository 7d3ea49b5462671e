import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { openRoute, parseRoutes } from './forward.ts';

describe('the FORWARD variable', () => {
  test.each([
    ['6379=10.0.0.1:16379', [{ port: 6379, host: '10.0.0.1', targetPort: 16379 }]],
    ['7071=[fd00::1]:80', [{ port: 7071, host: 'fd00::1', targetPort: 80 }]],
    [
      '1=a:2, 3=b.example:4',
      [
        { port: 1, host: 'a', targetPort: 2 },
        { port: 3, host: 'b.example', targetPort: 4 },
      ],
    ],
  ])('%s', (value, routes) => {
    expect(parseRoutes(value)).toEqual(routes);
  });

  test.each(['', '6379', '6379=host', '=host:1', '1=host:99999', '99999=host:1', '1=host:1,', '1=a:b:1'])(
    '"%s" is refused with the part that is wrong',
    (value) => {
      expect(() => parseRoutes(value)).toThrow(/FORWARD: ".*" is not/);
    },
  );
});

describe('a forwarded port', () => {
  const opened: Server[] = [];
  const sockets: Socket[] = [];

  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of opened.splice(0)) {
      server.close();
      await once(server, 'close');
    }
  });

  /** A target server, and a client's connection to it through the forwarder. */
  async function through(onConnection: (socket: Socket) => void): Promise<Socket> {
    const target = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.push(socket);
      onConnection(socket);
    });
    target.listen(0, '127.0.0.1');
    await once(target, 'listening');
    const port = (target.address() as AddressInfo).port;
    const forwarder = await openRoute({ port: 0, host: '127.0.0.1', targetPort: port });
    opened.push(target, forwarder);
    const client = connect({ port: (forwarder.address() as AddressInfo).port, allowHalfOpen: true });
    sockets.push(client);
    await once(client, 'connect');
    return client;
  }

  test('carries both directions and passes an end on', async () => {
    const client = await through((socket) => {
      let received = 0;
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      socket.on('end', () => socket.end(`got ${received}`));
    });
    client.end('x'.repeat(1_000_000));
    expect(await text(client)).toBe('got 1000000');
  });

  test('closes the client when the target closes', async () => {
    const client = await through((socket) => socket.end('bye'));
    expect(await text(client)).toBe('bye');
  });

  test('breaks the client when the target breaks', async () => {
    const client = await through((socket) => socket.resetAndDestroy());
    const [error] = await once(client, 'error');
    expect((error as NodeJS.ErrnoException).code).toBe('ECONNRESET');
  });

  test('breaks the client when nothing listens behind it', async () => {
    const forwarder = await openRoute({ port: 0, host: '127.0.0.1', targetPort: 1 });
    opened.push(forwarder);
    const client = connect((forwarder.address() as AddressInfo).port);
    sockets.push(client);
    await once(client, 'error');
    expect(client.destroyed).toBe(true);
  });
});
