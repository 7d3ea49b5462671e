import { afterAll, expect, test } from 'vitest';
import { fleetThat, release, startCronium, startInShell } from './testing/fleet.ts';

afterAll(release);

const id = 'job_000000000001';
const run = ['run', '--pool', 'gpu', '-l', 'bash', 'echo x'];
const waits = { id, state: 'queued', exitCode: null, cause: null, attempts: 0, attemptList: [] };
const why = { state: 'queued', explanation: 'No worker serves the pool gpu.', facts: {} };
const cancelling = { id, cancelling: true };
const waiting = {
  'POST /v1/jobs': { id, state: 'queued', traceId: 'a'.repeat(32) },
  [`GET /v1/jobs/${id}`]: waits,
  [`GET /v1/jobs/${id}/why`]: why,
};

/** Its job waits until it is cancelled, and then has ended. */
function fleetThatCancels() {
  let isCancelled = false;
  return fleetThat({
    ...waiting,
    [`POST /v1/jobs/${id}/cancel`]: () => {
      isCancelled = true;
      return cancelling;
    },
    [`GET /v1/jobs/${id}`]: () => (isCancelled ? { ...waits, state: 'cancelled' } : waits),
  });
}

test.concurrent('a job that does not start is said to wait, with its id and the reason, once', async () => {
  let looks = 0;
  const ended = { ...waits, state: 'succeeded', exitCode: 0, attempts: 0 };
  let told = false;
  const { env } = await fleetThat({
    ...waiting,
    [`GET /v1/jobs/${id}`]: () => {
      looks += told ? 1 : 0;
      return looks > 2 ? ended : waits;
    },
  });
  const command = startCronium(run, env);
  await command.said('[cronium]');
  told = true;
  expect(await command.ended).toEqual({
    code: 0,
    stderr: `[cronium] ${id} is queued: No worker serves the pool gpu.\n`,
  });
});

test.concurrent.each(['SIGTERM', 'SIGINT'] as const)(
  '%s cancels the job and shows its end',
  async (signal) => {
    const { env } = await fleetThatCancels();
    const command = startCronium(run, env);
    await command.said('is queued');
    command.child.kill(signal);
    const { code, stderr } = await command.ended;
    expect(code).toBe(130);
    expect(stderr).toContain(`${id} cancelled`);
  },
);

test.concurrent.each(['SIGTERM', 'SIGINT'] as const)(
  '%s ends it also when the fleet has gone away',
  async (signal) => {
    const { env, goAway } = await fleetThat(waiting);
    const command = startCronium(run, env);
    await command.said('is queued');
    await goAway();
    command.child.kill(signal);
    const { code, stderr } = await command.ended;
    expect(code).toBe(130);
    expect(stderr).toContain(`${id} could not be cancelled and goes on: producer at`);
  },
);

test.concurrent('a signal that ends only the shell that npx started it in cancels the job', async () => {
  const { env } = await fleetThatCancels();
  const command = startInShell(run, env);
  await command.said('is queued');
  command.child.kill('SIGTERM');
  expect((await command.ended).stderr).toContain(`${id} cancelled`);
});

test.concurrent('a job that is cancelled and does not end is left after a while', async () => {
  const { env } = await fleetThat({ ...waiting, [`POST /v1/jobs/${id}/cancel`]: cancelling });
  const command = startCronium(run, env);
  await command.said('is queued');
  command.child.kill('SIGTERM');
  const { code, stderr } = await command.ended;
  expect(code).toBe(130);
  expect(stderr).toContain(`Left ${id}, which is cancelled and has not ended yet.`);
});

test.concurrent('a second signal ends it at once; one that comes twice at a time is one', async () => {
  let asked = 0;
  const { env } = await fleetThat({
    ...waiting,
    // Never answers: whoever waits for it waits for its time limit.
    [`POST /v1/jobs/${id}/cancel`]: () => {
      asked += 1;
      return undefined;
    },
  });
  const command = startCronium(run, env);
  await command.said('is queued');
  command.child.kill('SIGTERM');
  command.child.kill('SIGINT');
  await command.said('Cancelling');
  const again = setInterval(() => command.child.kill('SIGTERM'), 50);
  const { code, stderr } = await command.ended.finally(() => clearInterval(again));
  expect(code).toBe(130);
  expect(asked).toBe(1);
  expect(stderr).toContain(`Left ${id} alone`);
});
