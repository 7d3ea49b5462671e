import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from 'vitest';
import { BIN, cronium, fleetThat, release, tempFolder } from './testing/fleet.ts';

afterEach(release);

const id = 'job_000000000001';
const accepted = { id, state: 'queued', traceId: 'a'.repeat(32) };
const ended = (more: object) => ({
  id,
  state: 'succeeded',
  exitCode: 0,
  cause: null,
  attempts: 1,
  attemptList: [],
  ...more,
});
const line = (seq: number, stream: string, words: string, more: object = {}) =>
  `${JSON.stringify({ seq, time: '2026-01-01T00:00:00Z', stream, text: words, ...more })}\n`;
const logOf = (lines: string) => (_: IncomingMessage, response: ServerResponse) => void response.end(lines);

test('cronium artifacts lists what a job stored, and writes one of them', async () => {
  const stored = { attempt: 1, contentType: 'text/plain', createdAt: '2026-01-01T00:00:00Z' };
  const { env } = await fleetThat({
    [`GET /v1/jobs/${id}/artifacts`]: {
      artifacts: [{ ...stored, path: 'out/a b.txt', bytes: 6, sha256: '5891b5' }],
    },
    [`GET /v1/jobs/${id}/artifacts/out/a%20b.txt`]: logOf('hello\n'),
  });
  const listed = await cronium(['artifacts', id], { env });
  expect(listed).toMatchObject({ code: 0, stdout: expect.stringMatching(/out\/a b\.txt +6 +5891b5/) });
  expect(await cronium(['artifacts', id, 'out/a b.txt'], { env })).toMatchObject({
    code: 0,
    stdout: 'hello\n',
  });
});

describe('cronium run', () => {
  test('writes each stream to its own, byte for byte, and exits with the job’s code', async () => {
    const { env, seen } = await fleetThat({
      'POST /v1/jobs': accepted,
      [`GET /v1/jobs/${id}`]: ended({ state: 'failed', exitCode: 7, cause: 'exit' }),
      [`GET /v1/jobs/${id}/logs`]: logOf(
        line(1, 'stdout', 'hi') + line(2, 'stderr', 'oh') + line(3, 'stdout', 'end', { partial: true }),
      ),
    });
    const ran = await cronium(['run', '-l', 'bash', '-e', 'A=1', '--timeout', '5', 'echo hi; exit 7'], {
      env,
    });
    expect(ran).toEqual({ code: 7, stdout: 'hi\nend', stderr: 'oh\n' });
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      type: 'script',
      script: { language: 'bash', source: 'echo hi; exit 7' },
      env: { A: '1' },
      timeoutSeconds: 5,
    });
  });

  test.each([
    [{ state: 'succeeded', exitCode: 0 }, 0],
    [{ state: 'timed_out', exitCode: 137, cause: 'timed_out' }, 124],
    [{ state: 'cancelled', exitCode: 137, cause: 'cancelled' }, 130],
    [{ state: 'lost', exitCode: null, cause: 'node_lost' }, 125],
    [{ state: 'failed', exitCode: null, cause: 'image' }, 125],
    [{ state: 'failed', exitCode: 137, cause: 'oom' }, 137],
  ])('a job that ended as %o gives exit code %i', async (how, code) => {
    const { env } = await fleetThat({
      'POST /v1/jobs': accepted,
      [`GET /v1/jobs/${id}`]: ended(how),
      [`GET /v1/jobs/${id}/logs`]: logOf(''),
    });
    expect(await cronium(['run', 'true'], { env })).toMatchObject({ code });
  });

  test('reads a script from stdin', async () => {
    const { env, seen } = await fleetThat({ 'POST /v1/jobs': accepted });
    const ran = await cronium(['run', '-l', 'python', '-d', '-'], { env, input: 'print(1)\n' });
    expect(ran).toEqual({ code: 0, stdout: `${id}\n`, stderr: '' });
    expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({
      script: { language: 'python', source: 'print(1)\n' },
    });
  });

  test('an image without a language runs a command in it', async () => {
    const { env, seen } = await fleetThat({ 'POST /v1/jobs': accepted });
    await cronium(['run', '-d', '--image', 'tool:1', '--', 'ls', '-l'], { env });
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual({
      type: 'container',
      image: 'tool:1',
      command: ['ls'],
      args: ['-l'],
    });
  });

  test('a fleet that cannot take it gives 125', async () => {
    const env = {
      CRONIUM_PRODUCER_URL: 'http://127.0.0.1:9',
      CRONIUM_RESULTS_URL: 'http://127.0.0.1:9',
      CRONIUM_API_KEY: 'k',
    };
    const ran = await cronium(['run', 'true'], { env });
    expect(ran.code).toBe(125);
    expect(ran.stderr).toContain('cannot be reached');
  });
});

test('--version is that of the package', async () => {
  const ran = await cronium(['--version']);
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test.each([
  [['flow', 'show'], 'cronium flow show --help'],
  [['run', '-l', 'ruby', 'x'], 'cronium run --help'],
  [['trce', 'x'], 'cronium --help'],
])('a wrong call leads to the help of its command: %j', async (args, help) => {
  const ran = await cronium(args);
  expect(ran).toMatchObject({ code: 2, stderr: expect.stringContaining(`(what there is: ${help})`) });
});

test.each([
  [['trce', 'x'], '(Did you mean trace?)'],
  [['jobs', '--stat', 'x'], '(Did you mean --state?)'],
  [['schedule', 'lst'], '(Did you mean list?)'],
])('a slip of the pen is understood: %j', async (args, words) => {
  expect((await cronium(args)).stderr).toContain(words);
});

test.each([[['delete', 'x']], [['remove', 'x']], [['create', 'x']]])(
  'what is far is not suggested: %j',
  async (args) => {
    expect(await cronium(args)).toMatchObject({
      code: 2,
      stderr: expect.not.stringContaining('Did you mean'),
    });
  },
);

describe('which fleet', () => {
  test('none: says how to start or name one', async () => {
    const ran = await cronium(['jobs'], { cwd: tempFolder() });
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(ran.stderr).toContain('Start one with: npm start');
  });

  test('the local one, found from a folder below', async () => {
    const { env } = await fleetThat({ 'GET /v1/workers': { workers: [] } });
    const root = tempFolder();
    mkdirSync(join(root, '.cronium'));
    mkdirSync(join(root, 'a/b'), { recursive: true });
    const local = {
      producerUrl: env.CRONIUM_PRODUCER_URL,
      resultsUrl: env.CRONIUM_RESULTS_URL,
      apiKey: 'k',
      dashboardUrl: 'http://127.0.0.1/',
    };
    writeFileSync(join(root, '.cronium/local.json'), JSON.stringify(local));
    expect(await cronium(['workers', '--json'], { cwd: join(root, 'a/b') })).toEqual({
      code: 0,
      stdout: '{"workers":[]}\n',
      stderr: '',
    });
  });

  test('a wrong address names the variable', async () => {
    const ran = await cronium(['jobs'], { env: { CRONIUM_PRODUCER_URL: 'nonsense', CRONIUM_API_KEY: 'k' } });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('CRONIUM_PRODUCER_URL');
  });
});

describe('errors', () => {
  test('a refused job shows each field', async () => {
    const problem = {
      title: 'Not a job',
      status: 400,
      detail: 'script.source: is missing',
      errors: [{ path: 'script.source', message: 'is missing' }],
    };
    const { env } = await fleetThat({
      'POST /v1/jobs': (_: IncomingMessage, response: ServerResponse) =>
        response.writeHead(400, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem)),
    });
    const ran = await cronium(['submit', '-'], { env, input: '{}' });
    expect(ran).toEqual({
      code: 1,
      stdout: '',
      stderr: 'cronium: Not a job\n  - script.source: is missing (400)\n',
    });
  });

  test.each([
    [['submit', '/nonexistent.json'], 'there is no such file'],
    [['submit', '-'], 'standard input is empty'],
    [['batch', 'batch_1'], "batch_1 is neither a batch's id nor a file"],
    [['run'], 'What to run is missing'],
    [['run', '-l', 'ruby', 'x'], 'Allowed choices'],
    [['nonsense'], 'unknown command'],
    [['run', '--input', '{', 'x'], '--input is not JSON'],
    [['run', '--env', 'CRONIUM_X=1', 'x'], 'CRONIUM_'],
    [['jobs', '--label', 'foo'], 'It must be name=value.'],
  ])('%j is a usage error', async (args, words) => {
    const { env } = await fleetThat({});
    const ran = await cronium(args, { env });
    expect(ran.stderr).toContain(words);
    expect(ran.code).toBe(2);
  });
});

test('a batch that is submitted as one job is said to be one', async () => {
  const { env } = await fleetThat({});
  const ran = await cronium(['submit', '-'], { env, input: '{"type":"script"}\n{"type":"script"}\n' });
  expect(ran.stderr).toContain('send it as a batch: cronium batch');
  expect(ran.code).toBe(2);
});

test('why shows the facts that say something, in words', async () => {
  const facts = { exitCode: 0, cause: null, nodes: [], requires: {}, node: 'a' };
  const explained = { state: 'succeeded', explanation: 'It succeeded with attempt 1.', facts };
  const { env } = await fleetThat({ [`GET /v1/jobs/${id}/why`]: explained });
  const ran = await cronium(['why', id], { env });
  expect(ran.stdout).toBe('succeeded: It succeeded with attempt 1.\n  exit code: 0\n  node: a\n');
});

test('a reader that has enough ends the command quietly', async () => {
  const jobs = Array.from({ length: 5000 }, (_, n) => ({
    ...ended({}),
    name: `n${n}`,
    type: 'script',
    acceptedAt: null,
    startedAt: null,
    node: null,
  }));
  const { env } = await fleetThat({ 'GET /v1/jobs': { jobs, cursor: null } });
  const child = spawn('sh', ['-c', `"${process.execPath}" "${BIN}" jobs -n 5000 | head -n 1`], {
    env: { PATH: '/usr/bin:/bin', ...env },
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(stdout.split('\n')).toHaveLength(2);
  expect(stderr).toBe('');
});
