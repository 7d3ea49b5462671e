import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { cronium, fleetThat, release } from './testing/fleet.ts';

afterEach(release);

const batchId = 'batch_000000000001';
const job = (n: number, more: object = {}) => ({
  id: `job_00000000000${n}`,
  name: `part ${n}`,
  state: 'succeeded',
  attempts: 1,
  attemptList: [],
  exitCode: 0,
  ...more,
});
const line = (seq: number, stream: string, text: string) =>
  `${JSON.stringify({ seq, time: '2026-01-01T00:00:00Z', stream, text })}\n`;

describe('cronium logs over a batch', () => {
  const routes = {
    [`GET /v1/batches/${batchId}`]: { id: batchId, ended: 2, total: 2, complete: true },
    'GET /v1/jobs': { jobs: [job(1), job(2)], cursor: null },
    'GET /v1/jobs/job_000000000001': job(1),
    'GET /v1/jobs/job_000000000002': job(2),
    'GET /v1/jobs/job_000000000001/logs': line(1, 'stdout', 'one') + line(2, 'stderr', 'oh'),
    'GET /v1/jobs/job_000000000002/logs': line(1, 'stdout', 'two'),
  };

  test.each([[[]], [['-f']]])('names the job of each line, each stream to its own %j', async (flags) => {
    const { env } = await fleetThat(routes);
    const ran = await cronium(['logs', ...flags, batchId], { env });
    expect(ran.code).toBe(0);
    expect(ran.stdout.split('\n').sort().filter(Boolean)).toEqual([
      'part 1               | one',
      'part 2               | two',
    ]);
    expect(ran.stderr).toBe('part 1               | oh\n');
  });

  test('as JSON each line has its job', async () => {
    const { env } = await fleetThat(routes);
    const ran = await cronium(['--json', 'logs', batchId], { env });
    expect(
      ran.stdout
        .split('\n')
        .filter(Boolean)
        .map((text) => JSON.parse(text).job),
    ).toEqual(['job_000000000001', 'job_000000000001', 'job_000000000002']);
  });
});

test('top without a terminal is one look, and names what is away', async () => {
  const { env } = await fleetThat({
    'GET /v1/queues': { queues: [] },
    'GET /v1/jobs': { jobs: [], cursor: null },
  });
  const ran = await cronium(['top'], { env });
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect(ran.stdout).toMatch(/^0\/0 nodes ready .*\nnodes: .*\n$/);
});

test.each([
  ['pause', 'pause', 'paused'],
  ['unpause', 'resume', 'goes on'],
])('%s of a pool that no node serves says so, for it may be a slip', async (command, verb, done) => {
  const { env } = await fleetThat({
    [`POST /v1/queues/default/${verb}`]: { pool: 'default', paused: true },
    [`POST /v1/queues/defualt/${verb}`]: { pool: 'defualt', paused: true },
    'GET /v1/workers': { workers: [{ node: 'a', state: 'ready', busy: 0, pools: ['default'] }] },
  });
  expect(await cronium([command, 'default'], { env })).toMatchObject({ code: 0, stderr: '' });
  const slip = await cronium([command, 'defualt'], { env });
  expect(slip).toMatchObject({ code: 0, stdout: `defualt ${done}\n` });
  expect(slip.stderr).toContain('No worker serves defualt now');
});

test('drain --wait ends when the node is empty', async () => {
  let looks = 0;
  const { env } = await fleetThat({
    'POST /v1/workers/a/drain': { node: 'a', drained: true },
    'GET /v1/workers': () => {
      looks += 1;
      return { workers: [{ node: 'a', state: 'draining', busy: looks > 1 ? 0 : 2 }] };
    },
  });
  const ran = await cronium(['drain', '--wait', 'a'], { env });
  expect(ran).toMatchObject({ code: 0, stdout: 'a draining\n' });
  expect(ran.stderr).toContain('a is empty');
  expect(looks).toBe(2);
});

test('the audit log is a table, and its export lines of JSON', async () => {
  const entry = {
    id: 'x',
    at: '2026-01-01T00:00:00.000Z',
    actor: 'key:ci',
    action: 'job.cancel',
    target: 'job_000000000001',
    detail: null,
    from: '10.0.0.7',
  };
  const { env, seen } = await fleetThat({ 'GET /v1/audit': { entries: [entry], cursor: null } });
  const ran = await cronium(['audit-log', '--actor', 'ci'], { env });
  expect(ran.stdout).toContain('2026-01-01T00:00:00Z  ci     10.0.0.7  job.cancel  job_000000000001');
  expect(seen[0]?.route).toBe('GET /v1/audit?actor=ci&limit=50');
});

describe('completion', () => {
  const completed = (words: readonly string[], script: string) => {
    const folder = mkdtempSync(join(tmpdir(), 'completion-'));
    try {
      writeFileSync(join(folder, 'cronium.bash'), script);
      const probe = `. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cronium; echo "\${COMPREPLY[@]}"`;
      const args = ['-c', probe, 'probe', join(folder, 'cronium.bash'), ...words];
      return execFileSync('bash', args, { encoding: 'utf8' }).trim().split(' ');
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  test('bash completes commands, options and choices', async () => {
    const { stdout } = await cronium(['completion', 'bash']);
    expect(completed(['cronium', 'tr'], stdout)).toEqual(['trace']);
    expect(completed(['cronium', '--json', 'wor'], stdout)).toEqual(['workers']);
    expect(completed(['cronium', 'logs', '--fo'], stdout)).toEqual(['--follow']);
    expect(completed(['cronium', 'run', '-l', 'py'], stdout)).toEqual(['python']);
    expect(completed(['cronium', 'completion', ''], stdout)).toEqual(['bash', 'zsh', 'fish']);
  });

  test('zsh and fish know every command', async () => {
    const [zsh, fish] = await Promise.all([cronium(['completion', 'zsh']), cronium(['completion', 'fish'])]);
    for (const name of ['run', 'batch', 'logs', 'trace', 'top', 'audit-log']) {
      expect(zsh.stdout).toContain(`    '${name}:`);
      expect(fish.stdout).toContain(`-f -a ${name} -d `);
    }
  });
});

test.each([
  [{ FORCE_COLOR: '1' }, true],
  [{ FORCE_COLOR: '1', NO_COLOR: '1' }, false],
  [{}, false],
])('colours with %j: %j', async (colors, expected) => {
  const { env } = await fleetThat({ 'GET /v1/workers': { workers: [{ ...NODE }] } });
  const { stdout } = await cronium(['workers'], { env: { ...env, ...colors } });
  expect(stdout.includes('\u001b[')).toBe(expected);
});

const NODE = {
  node: 'a',
  state: 'ready',
  reasons: [],
  version: '1',
  pools: [],
  labels: {},
  slots: 1,
  busy: 0,
  images: [],
  services: [{ name: 'reporting-db', ports: [5432] }],
  docker: null,
  startedAt: null,
  lastSeenAt: null,
};

test.each([
  [['drain', 'b'], 'cronium workers'],
  [['death', 'job_000000000009'], 'cronium why job_000000000009'],
  [['batch', 'batch_00000000000x'], 'cronium batches'],
  [['job', 'job_000000000009'], 'cronium jobs'],
])('an error of %j names the next step', async (args, step) => {
  const { env } = await fleetThat({});
  const ran = await cronium(args, { env });
  expect(ran.code).toBe(1);
  expect(ran.stderr).toContain(step);
});
