import { once } from 'node:events';
import { connect } from 'node:net';
import { EGRESS_PORT, RUNTIME_PORT } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { ATTEMPT, Fixture, JOB } from './testing/fixture.ts';

const OTHER = 'job_zyxwvutsrqpo';

const listens = (host: string, port: number): Promise<boolean> => {
  const socket = connect(port, host);
  return once(socket, 'connect').then(
    () => {
      socket.destroy();
      return true;
    },
    () => false,
  );
};

const countersOf = async (fixture: Fixture) =>
  (await fixture.call('/metrics')).text.split('\n').filter((line) => /^cronium_.*[1-9]\d*$/.test(line));

test.each([
  ['that it was told the end of', true],
  ['that it was not told the end of', false],
])('a sidecar that serves one attempt after another keeps nothing of one %s', async (_name, isTold) => {
  await using fixture = new Fixture();
  await fixture.start();
  await fixture.bind({ mode: 'internet' });
  expect((await fixture.call(`/executions/${ATTEMPT}/input`)).status).toBe(200);
  expect(await listens(fixture.address, EGRESS_PORT)).toBe(true);
  const open = connect(RUNTIME_PORT, fixture.address);
  await once(open, 'connect');
  expect(await countersOf(fixture)).not.toEqual([]);

  if (isTold) {
    expect(await fixture.sidecar.carryOut({ type: 'unbind' })).toEqual({ type: 'unbound' });
    await once(open, 'close');
    expect(await countersOf(fixture)).toEqual([]);
    expect(await listens(fixture.address, EGRESS_PORT)).toBe(false);
    expect((await fixture.call(`/executions/${ATTEMPT}/input`)).status).toBe(403);
  }

  await fixture.sidecar.carryOut({
    type: 'bind',
    attemptId: `${OTHER}.1`,
    jobId: OTHER,
    input: 'of the other',
    context: { executionId: `${OTHER}.1` },
    secrets: [],
    egress: { mode: 'none', allow: [], allowPrivate: [] },
  });
  if (!isTold) {
    await once(open, 'close');
    expect(await countersOf(fixture)).toEqual([]);
  }
  const token = await fixture.sign({
    sub: `${OTHER}.1`,
    executionId: `${OTHER}.1`,
    jobId: OTHER,
    attempt: 1,
  });
  expect((await fixture.call(`/executions/${OTHER}.1/input`, { token })).json()).toMatchObject({
    data: 'of the other',
  });
  expect((await fixture.call(`/executions/${OTHER}.1/secrets/TOKEN`, { token })).status).toBe(403);
  // The former token, for either attempt.
  for (const id of [ATTEMPT, `${OTHER}.1`]) {
    const answer = await fixture.call(`/executions/${id}/input`);
    expect([answer.status, answer.text.includes(JOB) && answer.text.includes('nested')]).toEqual([
      403,
      false,
    ]);
  }
  expect(await listens(fixture.address, EGRESS_PORT)).toBe(false);
});
