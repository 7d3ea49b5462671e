import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { PortsTakenError, portsFrom, requireFreePorts } from './ports.ts';

test('the ports follow each other above the base', () => {
  expect(portsFrom(8000, 2)).toEqual({ producer: 8000, results: 8001, workers: [8002, 8003], demo: 8019 });
});

test.each([
  [0, 1],
  [65_530, 1],
  [1.5, 1],
  [Number.NaN, 1],
  [8000, 0],
  [8000, 17],
])('base %d with %d workers is refused', (base, workers) => {
  expect(() => portsFrom(base, workers)).toThrow(RangeError);
});

test('a port that is taken on any address is named, with what to do', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    const refused = requireFreePorts([port]);
    await expect(refused).rejects.toThrow(
      `Port ${port} is taken by another program. Stop it, or use other ports`,
    );
    await expect(refused).rejects.toBeInstanceOf(PortsTakenError);
  } finally {
    server.close();
    await once(server, 'close');
  }
  await requireFreePorts([port]);
});
