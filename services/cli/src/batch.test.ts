import { afterEach, describe, expect, test } from 'vitest';
import { cronium, fleetThat, release } from './testing/fleet.ts';

afterEach(release);

const counts = {
  queued: 0,
  claimed: 0,
  preparing: 0,
  running: 0,
  draining: 0,
  succeeded: 2,
  failed: 0,
  timed_out: 0,
  cancelled: 0,
  lost: 0,
};
const batchId = 'batch_000000000001';
const view = (more: object) => ({
  id: batchId,
  name: null,
  accepted: 2,
  rejected: 0,
  complete: true,
  counts,
  ended: 2,
  total: 2,
  progress: 1,
  percentiles: { p50: 10, p95: 20, p99: 20 },
  etaSeconds: null,
  createdAt: null,
  ...more,
});

describe('cronium batch', () => {
  test('sends the file as it is, waits for its end and sums it up', async () => {
    const { env, seen } = await fleetThat({
      'POST /v1/batches': { batchId, accepted: 2, rejected: [], rejectedTotal: 0 },
      [`GET /v1/batches/${batchId}`]: view({}),
    });
    const ran = await cronium(['batch', '-'], { env, input: '{"a":1}\n{"b":2}\n' });
    expect(seen[0]?.body).toBe('{"a":1}\n{"b":2}\n');
    expect(ran).toMatchObject({ code: 0, stderr: `${batchId}: 2 accepted, 0 refused\n` });
    expect(ran.stdout).toContain('2/2 ended');
  });

  test('names rejected lines and fails', async () => {
    const rejected = [{ line: 2, errors: [{ path: 'type', message: 'is missing' }] }];
    const { env } = await fleetThat({
      'POST /v1/batches': { batchId, accepted: 2, rejected, rejectedTotal: 1 },
      [`GET /v1/batches/${batchId}`]: view({}),
    });
    const ran = await cronium(['batch', '-'], { env, input: 'x' });
    expect(ran.stderr).toContain('line 2: type: is missing');
    expect(ran.code).toBe(1);
  });

  test('sums up with the way to all that went wrong', async () => {
    const { env } = await fleetThat({
      [`GET /v1/batches/${batchId}`]: view({ ended: 4, counts: { ...counts, timed_out: 1, lost: 1 } }),
      [`GET /v1/batches/${batchId}/failures`]: { groups: [] },
    });
    const ran = await cronium(['batch', batchId], { env });
    expect(ran.stdout).toContain(`cronium jobs --batch ${batchId} --state timed_out,lost\n`);
  });

  test('watch fails when a job failed', async () => {
    const { env } = await fleetThat({
      [`GET /v1/batches/${batchId}`]: view({ counts: { ...counts, succeeded: 1, failed: 1 } }),
    });
    const ran = await cronium(['watch', batchId, '--json'], { env });
    expect(JSON.parse(ran.stdout)).toMatchObject({ id: batchId, ended: 2 });
    expect(ran.code).toBe(1);
  });

  test('detached, it says how many lines were accepted and refused, and fails when some were', async () => {
    const rejected = [{ line: 2, errors: [{ path: 'type', message: 'is missing' }] }];
    const { env } = await fleetThat({
      'POST /v1/batches': { batchId, accepted: 2, rejected, rejectedTotal: 1 },
    });
    expect(await cronium(['batch', '-d', '-'], { env, input: 'x' })).toEqual({
      code: 1,
      stdout: `${batchId}\n`,
      stderr: `line 2: type: is missing\n${batchId}: 2 accepted, 1 refused\n`,
    });
  });

  test('shows how many lines were refused, and the most frequent ends of jobs that did not succeed', async () => {
    const { env } = await fleetThat({
      [`GET /v1/batches/${batchId}`]: view({ rejected: 3, ended: 6, counts: { ...counts, failed: 4 } }),
      [`GET /v1/batches/${batchId}/failures`]: { groups },
    });
    const { code, stdout } = await cronium(['batch', batchId], { env });
    expect(code).toBe(0);
    expect(stdout).toContain('  3 lines were refused at the submit\n');
    expect(stdout).toContain('  2 failed: exit, exit code 1\n    The program ended with exit code 1.\n');
    expect(stdout).not.toContain('exit code 4');
    expect(stdout).toContain(`  … all 4 kinds of ends: cronium why ${batchId}\n`);
  });
});

const groups = [1, 2, 3, 4].map((exitCode) => ({
  state: 'failed',
  cause: 'exit',
  exitCode,
  jobs: exitCode === 1 ? 2 : 1,
  message: `The program ended with exit code ${exitCode}.`,
  examples: [{ id: `job_00000000000${exitCode}`, name: exitCode === 1 ? 'part 1' : '' }],
}));

test('why of a batch shows what ended its jobs: how many, examples, what to do', async () => {
  const routes = {
    [`GET /v1/batches/${batchId}`]: view({ ended: 6, counts: { ...counts, failed: 4 } }),
    [`GET /v1/batches/${batchId}/failures`]: { groups: groups.slice(0, 1) },
  };
  const { env } = await fleetThat(routes);
  expect((await cronium(['why', batchId], { env })).stdout.split('\n').slice(1)).toEqual([
    '  2 failed: exit, exit code 1',
    '    The program ended with exit code 1.',
    '    for example job_000000000001 (part 1)',
    '    the evidence: cronium death job_000000000001',
    `  Again, all that are failed: cronium retry ${batchId} --state failed`,
    '',
  ]);
  const asJson = await cronium(['why', batchId, '--json'], { env });
  expect(JSON.parse(asJson.stdout)).toEqual({ groups: groups.slice(0, 1) });
});

test('why of a batch says why its jobs wait', async () => {
  const waiting = 'job_000000000009';
  const { env } = await fleetThat({
    [`GET /v1/batches/${batchId}`]: view({ total: 5, counts: { ...counts, queued: 3 } }),
    [`GET /v1/batches/${batchId}/failures`]: { groups: [] },
    [`GET /v1/jobs?batch=${batchId}&state=queued&limit=1`]: { jobs: [{ id: waiting }], cursor: 'x' },
    [`GET /v1/jobs/${waiting}/why`]: {
      state: 'queued',
      explanation: 'No worker serves pool gpu.',
      facts: {},
    },
  });
  const { stdout } = await cronium(['why', batchId], { env });
  expect(stdout).toContain(`  3 queued\n    for example ${waiting}: No worker serves pool gpu.\n`);
});

test('why of a batch without failures says so', async () => {
  const { env } = await fleetThat({
    [`GET /v1/batches/${batchId}`]: view({ total: 3 }),
    [`GET /v1/batches/${batchId}/failures`]: { groups: [] },
  });
  const { stdout } = await cronium(['why', batchId], { env });
  expect(stdout).toContain(`All that ended succeeded; the others: cronium jobs --batch ${batchId}`);
});

test.each([
  [['death', batchId], `cronium why ${batchId}`],
  [['trace', batchId], `cronium jobs --batch ${batchId}`],
  [['job', batchId], `cronium batch ${batchId}`],
  [['batch', 'job_000000000001'], 'cronium job job_000000000001'],
  [['batch', 'batch_1'], 'cronium batches'],
])('an id of the other kind leads to its own command: %j', async (args, step) => {
  const { env } = await fleetThat({});
  expect(await cronium(args, { env })).toMatchObject({ code: 2, stderr: expect.stringContaining(step) });
});

test.each([['batch'], ['why'], ['cancel']])(
  'a batch that is not there leads to the list: %s',
  async (command) => {
    const { env } = await fleetThat({});
    const ran = await cronium([command, 'batch_00000000000x'], { env });
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('cronium batches') });
  },
);

test('cronium batches lists them with their counts', async () => {
  const { env, seen } = await fleetThat({
    'GET /v1/batches?limit=20': {
      batches: [view({ name: 'nightly', total: 9, ended: 5, rejected: 4, counts: { ...counts, lost: 3 } })],
      cursor: null,
    },
  });
  const { code, stdout } = await cronium(['batches'], { env });
  expect(code).toBe(0);
  expect(seen).toHaveLength(1);
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map((row) => row.split(/ {2,}/));
  expect(rows).toEqual([
    ['ID', 'NAME', 'ENDED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'REFUSED', 'SUBMITTED'],
    [batchId, 'nightly', '5/9', '0', '2', '3', '0', '4', '-'],
  ]);
});
