import type { BatchResult, JobView, TraceView, WorkersView } from '@cronium/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliResult, cronium } from './cli.ts';
import { TestFleet } from './harness.ts';
import { bash, WAIT_MS } from './jobs.ts';

let fleet: TestFleet;
beforeAll(async () => {
  fleet = await TestFleet.start();
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const line = (job: unknown) => JSON.stringify(job);
const good = (name: string, source = `. /usr/local/bin/cronium.sh; cronium_output "${name}"`) =>
  line({ ...bash(source), name });

/** Lines 2, 4 and 5 are wrong. */
const MIXED = [
  good('first'),
  '{"type": "script", "script": {"language": "bash"',
  good('second', 'exit 3'),
  line({ ...bash('echo'), timeoutSeconds: -1 }),
  line({ ...bash('echo'), surprise: true }),
  good('third'),
].join('\n');

const waitFor = (batchId: string) => fleet.client.waitForBatch(batchId, { timeoutMs: WAIT_MS, everyMs: 200 });

test('good lines of a batch run, bad ones are told by line and path, and sent again it adds nothing', async () => {
  const accepted = await fleet.client.submitBatch(new Blob([MIXED]), {
    idempotencyKey: 'nightly',
    name: 'mixed',
  });
  expect(accepted).toMatchObject({ accepted: 3, rejectedTotal: 3 });
  expect(accepted.rejected.map((one) => one.line)).toEqual([2, 4, 5]);
  expect(accepted.rejected.map(({ errors }) => errors[0]?.path)).toEqual(['', 'timeoutSeconds', 'surprise']);
  const view = await waitFor(accepted.batchId);
  expect(view).toMatchObject({
    name: 'mixed',
    accepted: 3,
    rejected: 3,
    complete: true,
    ended: 3,
    total: 3,
    progress: 1,
  });
  expect(view.counts).toMatchObject({ succeeded: 2, failed: 1, queued: 0 });
  const results: BatchResult[] = await Array.fromAsync(fleet.client.batchResults(accepted.batchId));
  const byName = new Map(results.map((result) => [result.name, result]));
  expect([...byName.keys()].sort()).toEqual(['first', 'second', 'third']);
  expect(byName.get('first')).toMatchObject({
    state: 'succeeded',
    exitCode: 0,
    output: 'first',
    attempts: 1,
  });
  expect(byName.get('second')).toMatchObject({ state: 'failed', exitCode: 3, output: null });

  const again = await fleet.client.submitBatch(new Blob([MIXED]), {
    idempotencyKey: 'nightly',
    name: 'mixed',
  });
  expect(again.batchId).toBe(accepted.batchId);
  expect(await waitFor(accepted.batchId)).toMatchObject({ total: 3, ended: 3 });
  const listed = await Array.fromAsync(fleet.client.jobs({ batch: accepted.batchId }));
  expect(listed.map(({ id }) => id).sort()).toEqual(results.map(({ id }) => id).sort());
  expect(listed.every(({ attempts }) => attempts === 1)).toBe(true);
});

test('a job with an Idempotency-Key runs once, however often it is sent', async () => {
  const send = () => fleet.client.submit(bash('echo once'), { idempotencyKey: 'only-once' });
  const ids = new Set((await Promise.all(Array.from({ length: 10 }, send))).map(({ id }) => id));
  expect(ids.size).toBe(1);
  const [id = ''] = ids;
  expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
  expect((await send()).id).toBe(id);
  expect((await fleet.log(id)).toString()).toBe('once\n');
});

test('a batch is cancelled as a whole', async () => {
  const lines = Array.from({ length: 20 }, (_, index) => good(`slow ${index}`, 'sleep 600'));
  const { batchId } = await fleet.client.submitBatch(new Blob([lines.join('\n')]));
  await fleet.client.cancelBatch(batchId);
  const { counts } = await waitFor(batchId);
  expect(counts).toMatchObject({ cancelled: 20 });
});

/** What the job wrote to stderr: on a busy machine the command also says why the job waits. */
const ofJob = ({ stderr }: CliResult) => stderr.replace(/^\[cronium\] job_\w+ is .*\n/gm, '');

describe('cronium', () => {
  test('run: the job’s output and exit code are the command’s', async () => {
    const result = await cronium(fleet, ['run', '-l', 'bash', 'echo out; echo err >&2; exit 7']);
    expect({ ...result, stderr: ofJob(result) }).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' });
    const python = await cronium(fleet, ['run', '-l', 'python', '-'], 'print(6 * 7)');
    expect({ ...python, stderr: ofJob(python) }).toEqual({ code: 0, stdout: '42\n', stderr: '' });
  });

  test('run --json tells how the job ended; a timeout is 124', async () => {
    const { code, stdout } = await cronium(fleet, [
      'run',
      '--json',
      '--timeout',
      '1',
      '-l',
      'bash',
      'sleep 600',
    ]);
    const job: JobView = JSON.parse(stdout);
    expect(code).toBe(124);
    expect(job).toMatchObject({ state: 'timed_out', cause: 'timed_out' });
  });

  test('logs, trace, job and death of a job', async () => {
    const job = await fleet.run(bash('seq 3; echo last >&2; exit 2'));
    expect(await cronium(fleet, ['logs', '--stdout', job.id])).toEqual({
      code: 0,
      stdout: '1\n2\n3\n',
      stderr: '',
    });
    const lines = (await cronium(fleet, ['logs', '-f', '--json', job.id])).stdout.trim().split('\n');
    expect(lines.map((one) => JSON.parse(one).seq)).toEqual([1, 2, 3, 4]);
    const trace: TraceView = JSON.parse((await cronium(fleet, ['trace', '--json', job.id])).stdout);
    expect(trace.spans.map(({ name }) => name)).toContain('run');
    const waterfall = await cronium(fleet, ['trace', job.id]);
    expect(waterfall.code).toBe(0);
    for (const name of ['job', 'queue wait', 'attempt 1', 'run']) expect(waterfall.stdout).toContain(name);
    expect((await cronium(fleet, ['death', job.id])).stdout).toContain('exit code 2');
    const listed = JSON.parse((await cronium(fleet, ['jobs', '--json', '--state', 'failed'])).stdout);
    expect(listed.jobs.map(({ id }: { id: string }) => id)).toContain(job.id);
  });

  test('batch: from stdin, with the bad lines named; its exit code says whether all went well', async () => {
    const mixed = await cronium(fleet, ['batch', '--json', '-'], MIXED);
    expect(mixed.code).toBe(1);
    expect(JSON.parse(mixed.stdout)).toMatchObject({
      accepted: 3,
      rejectedTotal: 3,
      counts: { succeeded: 2, failed: 1 },
    });
    const fine = await cronium(fleet, ['batch', '-'], [good('a'), good('b')].join('\n'));
    expect(fine.code).toBe(0);
    expect(fine.stdout).toContain('2/2 ended');
    const detached = await cronium(fleet, ['batch', '--detach', '-'], MIXED);
    expect(detached.code).toBe(1);
    expect(detached.stderr).toContain('line 4: timeoutSeconds');
    const batchId = detached.stdout.trim();
    expect((await cronium(fleet, ['watch', batchId])).code).toBe(1);
  });

  test('workers shows the node', async () => {
    const view: WorkersView = JSON.parse((await cronium(fleet, ['workers', '--json'])).stdout);
    expect(view.workers).toMatchObject([{ node: fleet.workers[0]?.node, state: 'ready', slots: 4 }]);
    expect((await cronium(fleet, ['workers'])).stdout).toContain(fleet.workers[0]?.node);
  });

  test('cancel, and errors with a next step', async () => {
    const id = await fleet.submit(bash('sleep 600'));
    expect((await cronium(fleet, ['cancel', id])).code).toBe(0);
    expect(await fleet.ended(id)).toMatchObject({ state: 'cancelled' });
    const missing = await cronium(fleet, ['logs', 'job_000000000000']);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('cronium jobs');
  });
});

/** Says by its helper who it is, also what its sidecar knows of it, and fails at the first try. */
const WHO: readonly (readonly [language: string, source: string])[] = [
  [
    'bash',
    '. /usr/local/bin/cronium.sh; cronium_output "$CRONIUM_EXECUTION_ID $(cronium_input .n)" && echo told && [ "${CRONIUM_EXECUTION_ID##*.}" = 2 ]',
  ],
  [
    'python',
    'import cronium, os, sys\nme = os.environ["CRONIUM_EXECUTION_ID"]\ncronium.output(f"{me} {cronium.input()[\'n\']}")\nprint("told")\nsys.exit(0 if me.endswith(".2") else 1)',
  ],
  [
    'node',
    'import cronium from "cronium"; const me = process.env.CRONIUM_EXECUTION_ID; await cronium.output(`${me} ${(await cronium.input()).n}`); console.log("told"); process.exitCode = me.endsWith(".2") ? 0 : 1',
  ],
];

test('jobs that share containers have each their own identity, at the first try and the second, in every language', async () => {
  const retry = { attempts: 2, backoff: { type: 'fixed', delaySeconds: 0 }, on: ['failed'] };
  const jobs = [1, 2].flatMap((n) =>
    WHO.map(([language, source]) => ({
      ...{ type: 'script', script: { language, source }, name: language, input: { n } },
      ...{ isolation: 'batch', retry },
    })),
  );
  const { batchId } = await fleet.client.submitBatch(new Blob([jobs.map(line).join('\n')]));
  await waitFor(batchId);
  const results: BatchResult[] = await Array.fromAsync(fleet.client.batchResults(batchId));
  expect(results).toHaveLength(jobs.length);
  for (const { id, output, state } of results) {
    expect([state, output]).toEqual(['succeeded', expect.stringMatching(new RegExp(`^${id}\\.2 [12]$`))]);
    const { attemptList } = await fleet.client.job(id);
    const starts = attemptList.map(({ timeline }) =>
      timeline.flatMap(({ moment, attributes }) => (moment === 'start_ended' ? [attributes?.start] : [])),
    );
    expect(starts).toEqual([['batch'], ['batch']]);
    for (const attempt of [1, 2]) {
      const lines = await Array.fromAsync(fleet.client.logs(id, { attempt }));
      expect(lines.map(({ text }) => text)).toEqual(['told']);
    }
  }
});
