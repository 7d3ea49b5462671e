import { jobContainerName } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet, type Worker } from './harness.ts';
import { bash, WAIT_MS } from './jobs.ts';

let fleet: TestFleet;
beforeAll(async () => {
  // Each test has workers of its own: some of them are killed.
  fleet = await TestFleet.start({ workers: [] });
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

async function workerFor(pool: string, env: Record<string, string> = {}): Promise<Worker> {
  const worker = await fleet.addWorker({ env: { CRONIUM_POOLS: pool, ...env } });
  await worker.ready();
  return worker;
}

/** Counts its runs, prints numbered lines until it gets SIGUSR1, and says how many. */
const UNTIL_TOLD = `
trap 'told=yes' USR1
. /usr/local/bin/cronium.sh
echo "run $(cronium_increment_variable "$CRONIUM_JOB_ID")"
i=0
until [ "$told" ]; do i=$((i + 1)); echo "line $i"; echo "error $i" >&2; sleep 0.1; done
echo "lines: $i"`;

const numbered = (word: string, count: number) =>
  Array.from({ length: count }, (_, n) => `${word} ${n + 1}\n`).join('');

/** The job ran once, to its end, and every line is there once. */
async function expectExact(id: string): Promise<void> {
  expect(await fleet.ended(id)).toMatchObject({ state: 'succeeded', attempts: 1 });
  const stdout = (await fleet.log(id, { stream: 'stdout' })).toString();
  const count = Number(/lines: (\d+)/.exec(stdout)?.[1]);
  expect(stdout).toBe(`run 1\n${numbered('line', count)}lines: ${count}\n`);
  expect((await fleet.log(id, { stream: 'stderr' })).toString()).toBe(numbered('error', count));
}

async function startJobs(pool: string): Promise<string[]> {
  const ids = await Promise.all([1, 2, 3].map(() => fleet.submit(bash(UNTIL_TOLD, { pool }))));
  await Promise.all(ids.map((id) => fleet.prints(id, 'line 3\n')));
  return ids;
}

const tell = (id: string) => fleet.host.docker.getContainer(jobContainerName(id)).kill({ signal: 'SIGUSR1' });

const hasExited = (id: string) =>
  eventually(async () => !(await containerOf(id)).State.Running, {
    what: `the container of ${id} has exited`,
    timeoutMs: WAIT_MS,
  });

/** A container gets its job's name a moment after its start. */
const containerOf = (id: string) =>
  eventually(() => fleet.host.docker.getContainer(jobContainerName(id)).inspect(), {
    what: `the name of ${id}`,
  });

test('a worker that is killed and comes back within the lock goes on with its jobs; each ran once, its log is exact', async () => {
  const worker = await workerFor('returns');
  const ids = await startJobs('returns');
  const before = await Promise.all(ids.map(containerOf));
  await worker.kill();
  await worker.start();
  await worker.ready();
  const after = await Promise.all(ids.map(containerOf));
  expect(after.map(({ Id }) => Id)).toEqual(before.map(({ Id }) => Id));
  await Promise.all(ids.map(tell));
  for (const id of ids) await expectExact(id);
});

test('a job that ended while its worker was away is reported as it ended', async () => {
  const worker = await workerFor('away');
  const id = await fleet.submit(bash('echo running; sleep 1; echo done; exit 5', { pool: 'away' }));
  await fleet.prints(id, 'running');
  await worker.kill();
  await hasExited(id);
  await worker.start();
  expect(await fleet.ended(id)).toMatchObject({ state: 'failed', exitCode: 5, cause: 'exit', attempts: 1 });
  expect((await fleet.log(id)).toString()).toBe('running\ndone\n');
});

test('when a worker stays away another one runs its job after the lock, and the first attempt is known as lost', async () => {
  const lock = { CRONIUM_LOCK_SECONDS: '10' };
  const first = await workerFor('shared', lock);
  const source =
    'echo "on $CRONIUM_EXECUTION_ID"; while [ "${CRONIUM_EXECUTION_ID##*.}" = 1 ]; do sleep 0.1; done; echo done';
  const id = await fleet.submit(bash(source, { pool: 'shared' }));
  await fleet.prints(id, 'on');
  const { Id: lostContainer } = await containerOf(id);
  // It waits for its own lock's time before it takes what others have lost.
  const second = await workerFor('shared', lock);
  await first.kill();
  const job = await fleet.ended(id);
  expect(job).toMatchObject({ state: 'succeeded', attempts: 2, node: second.node });
  expect((await fleet.log(id)).toString()).toBe(`on ${id}.2\ndone\n`);
  expect(await fleet.death(id, 1)).toMatchObject({ cause: 'node_lost', certainty: 'likely', phase: 'main' });
  await first.start();
  await first.ready();
  await expect(fleet.host.docker.getContainer(lostContainer).inspect()).rejects.toMatchObject({
    statusCode: 404,
  });
});

test('results is killed while jobs run: they go on, and all is stored exactly when it is back', async () => {
  await workerFor('results');
  const ids = await startJobs('results');
  await fleet.results.kill();
  const later = await fleet.submit(bash('echo accepted meanwhile', { pool: 'results' }));
  await Promise.all(ids.map(tell));
  await Promise.all(ids.map(hasExited));
  await fleet.results.start();
  for (const id of ids) await expectExact(id);
  expect(await fleet.ended(later)).toMatchObject({ state: 'succeeded', attempts: 1 });
});

test('the producer is killed in the middle of a batch: sent again under its key, every job runs once', async () => {
  await workerFor('upload');
  const jobs = Array.from({ length: 12 }, (_, n) => ({
    ...bash('exit 0', { pool: 'upload' }),
    name: `job ${n}`,
  }));
  const halfway = Promise.withResolvers<void>();
  async function* cutOff() {
    yield* jobs.slice(0, 6);
    halfway.resolve();
    await new Promise(() => undefined);
  }
  const upload = fleet.client.submitBatch(cutOff(), { idempotencyKey: 'upload' });
  const failed = expect(upload).rejects.toThrow();
  await halfway.promise;
  await fleet.producer.kill();
  await failed;
  await fleet.producer.start();
  const { batchId, accepted } = await fleet.client.submitBatch(jobs, { idempotencyKey: 'upload' });
  expect(accepted).toBe(12);
  const view = await fleet.client.waitForBatch(batchId, { timeoutMs: WAIT_MS });
  expect(view).toMatchObject({ total: 12, counts: { succeeded: 12 } });
  const results = await Array.fromAsync(fleet.client.batchResults(batchId));
  expect(results.map(({ name }) => name).sort()).toEqual(jobs.map(({ name }) => name).sort());
  expect(results.every(({ attempts }) => attempts === 1)).toBe(true);
});
