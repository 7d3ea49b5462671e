import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import { listen } from './listen.ts';
import { valkeyProgram } from './valkey.ts';

/**
 * A Valkey of a test's own, with settings that the shared one must not have. It runs the same program as the shared one.
 */
export async function privateValkey(
  ...settings: readonly string[]
): Promise<AsyncDisposable & { readonly url: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'cronium-valkey-'));
  const port = await freePort();
  const { executable, env } = await valkeyProgram();
  const child = spawn(
    executable,
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...settings],
    { env, stdio: 'ignore' },
  );
  const ended = new Promise((resolve) => child.once('close', resolve));
  const url = `redis://127.0.0.1:${port}`;
  const dispose = async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await eventually(() => ping(url), { what: 'the private Valkey answers' });
  } catch (error) {
    await dispose();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: dispose };
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  await new Promise((closed) => server.close(closed));
  return port;
}

async function ping(url: string): Promise<boolean> {
  const valkey = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  valkey.on('error', () => undefined);
  try {
    await valkey.connect();
    return (await valkey.ping()) === 'PONG';
  } finally {
    valkey.disconnect();
  }
}
