import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
let child: ChildProcess | undefined;
afterEach(() => void child?.kill('SIGKILL'));

interface Started {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  say(line: string): void;
  reply(): Promise<unknown>;
}

function start(env: Record<string, string> = {}): Started {
  const process_ = spawn(process.execPath, [MAIN], { env, stdio: ['pipe', 'pipe', 'pipe'] });
  child = process_;
  const lines = createInterface({ input: process_.stdout })[Symbol.asyncIterator]();
  return {
    child: process_,
    exited: once(process_, 'exit'),
    say: (line) => void process_.stdin.write(line),
    reply: async () => JSON.parse(String((await lines.next()).value)),
  };
}

const newAddress = () => `127.${randomInt(1, 255)}.${randomInt(0, 255)}.${randomInt(2, 255)}`;
const configure = (address: string) =>
  JSON.stringify({
    type: 'configure',
    address,
    prefix: '{test}',
    valkeyUrl: 'redis://127.0.0.1:1',
    resultsUrl: 'http://127.0.0.1:1',
    jwks: [],
  });
const bind = JSON.stringify({
  type: 'bind',
  attemptId: 'job_abcdefghijkl.1',
  jobId: 'job_abcdefghijkl',
  input: 'ü'.repeat(200_000),
  context: {},
  secrets: [],
  egress: { mode: 'none', allow: [], allowPrivate: [] },
});

async function listens(host: string, port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

test('it is configured over stdin, listens on its one address, and ends at SIGTERM with 0', async () => {
  const sidecar = start();
  const address = newAddress();
  sidecar.say(`${configure(address)}\n`);
  expect(await sidecar.reply()).toEqual({ type: 'ready' });
  sidecar.say(`${bind}\n`);
  expect(await sidecar.reply()).toEqual({ type: 'bound', attemptId: 'job_abcdefghijkl.1' });
  expect(await listens(address, 8081)).toBe(true);
  // The same port of another address of this host, and the proxy of a job without egress.
  expect(await listens(newAddress(), 8081)).toBe(false);
  expect(await listens(address, 8082)).toBe(false);
  sidecar.child.kill('SIGTERM');
  expect(await sidecar.exited).toEqual([0, null]);
});

test('it says how it is, and what is wrong with it', async () => {
  const sidecar = start();
  const health = JSON.stringify({ type: 'health' });
  sidecar.say(`${health}\n`);
  expect(await sidecar.reply()).toEqual({ type: 'health', problem: 'it was not configured' });
  const address = newAddress();
  sidecar.say(`${configure(address)}\n`);
  expect(await sidecar.reply()).toEqual({ type: 'ready' });
  sidecar.say(`\n${health}\n`);
  expect(await sidecar.reply()).toEqual({ type: 'health' });
});

test('a line that is no command is answered with an error that does not repeat it, and the next one counts', async () => {
  const sidecar = start();
  const lines = [
    '{"type":"bind","attemptId":"secret-',
    '\n\n',
    '{"type":"configure","valkeyUrl":"secret"}\n',
    `${bind}\n`,
  ];
  for (const line of lines) sidecar.say(line);
  const errors = [await sidecar.reply(), await sidecar.reply(), await sidecar.reply()];
  expect(errors).toEqual([
    { type: 'error', message: 'the command is not JSON' },
    { type: 'error', message: expect.stringContaining('address') },
    { type: 'error', message: 'bind before configure' },
  ]);
  expect(JSON.stringify(errors)).not.toContain('secret');
  sidecar.say(`${configure(newAddress())}\n`);
  expect(await sidecar.reply()).toEqual({ type: 'ready' });
});

test('the same command again changes nothing: a worker that took over may repeat them', async () => {
  const sidecar = start();
  const address = newAddress();
  for (const line of [configure(address), bind, configure(address), bind]) sidecar.say(`${line}\n`);
  const replies = [];
  for (let i = 0; i < 4; i++) replies.push(await sidecar.reply());
  const bound = { type: 'bound', attemptId: 'job_abcdefghijkl.1' };
  expect(replies).toEqual([{ type: 'ready' }, bound, { type: 'ready' }, bound]);
});

test.each(['before', 'after'])('the end of stdin %s the configuration is not its end', async (when) => {
  const sidecar = start();
  if (when === 'after') {
    sidecar.say(`${configure(newAddress())}\n`);
    expect(await sidecar.reply()).toEqual({ type: 'ready' });
  }
  const log = createInterface({ input: sidecar.child.stderr ?? process.stdin });
  sidecar.child.stdin?.end();
  const [line] = await once(log, 'line');
  expect(JSON.parse(line)).toMatchObject({ level: 'info', msg: expect.stringContaining('stdin has ended') });
  expect(sidecar.child.exitCode).toBeNull();
  sidecar.child.kill('SIGTERM');
  expect(await sidecar.exited).toEqual([0, null]);
});
