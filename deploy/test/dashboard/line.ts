import { connect, createServer, type Socket } from 'node:net';

/** How the line between a browser and results is. */
export type LineState = 'open' | 'cut' | 'no-websockets';

/** A TCP line that can be cut and mended, as a network would. */
export interface Line extends AsyncDisposable {
  readonly url: string;
  /** Changes the line; what goes against the new state is broken at once. */
  set(state: LineState): void;
}

/** Opens a line to a port of this machine. */
export async function openLine(targetPort: number): Promise<Line> {
  let state: LineState = 'open';
  const pairs = new Set<{ readonly near: Socket; readonly far: Socket; websocket: boolean }>();
  const server = createServer((near) => {
    if (state === 'cut') return void near.destroy();
    const pair = { near, far: connect(targetPort, '127.0.0.1'), websocket: false };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      pair.near.destroy();
      pair.far.destroy();
    };
    near.on('data', (bytes: Buffer) => {
      if (bytes.subarray(0, 20).toString('latin1').startsWith('GET /v1/live')) {
        pair.websocket = true;
        if (state === 'no-websockets') return end();
      }
      pair.far.write(bytes);
    });
    pair.far.on('data', (bytes) => void near.write(bytes));
    for (const socket of [near, pair.far]) socket.on('error', end).on('close', end);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('the line has no port');
  const breakAll = (only: (pair: { websocket: boolean }) => boolean) => {
    for (const pair of pairs) if (only(pair)) pair.near.destroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    set(next) {
      state = next;
      if (next === 'cut') breakAll(() => true);
      if (next === 'no-websockets') breakAll(({ websocket }) => websocket);
    },
    async [Symbol.asyncDispose]() {
      breakAll(() => true);
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
