import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { openOnGateway } from './gateway.ts';

test('a connection to the gateway address reaches the service on the loopback address', async () => {
  const service = createServer({ allowHalfOpen: true }, (socket) => {
    let bytes = 0;
    socket.on('data', (piece) => {
      bytes += piece.length;
    });
    socket.on('end', () => socket.end(`got ${bytes}`));
  }).listen(0, '127.0.0.1');
  await once(service, 'listening');
  const { port } = service.address() as AddressInfo;
  const gateway = await openOnGateway('127.0.0.2', port);
  try {
    const client = connect({ host: '127.0.0.2', port, allowHalfOpen: true });
    client.end('x'.repeat(1_000_000));
    expect(await text(client)).toBe('got 1000000');
    const idle = connect(port, '127.0.0.2');
    await once(idle, 'connect');
    const closed = once(idle, 'close');
    await gateway[Symbol.asyncDispose]();
    await closed;
  } finally {
    service.close();
    await once(service, 'close');
  }
});
