import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { EGRESS_PORT, RUNTIME_PORT } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { ATTEMPT, Fixture, JOB } from './testing/fixture.ts';

const OTHER = 'job_zyxwvutsrqpo';
const SERVICE_PORT = 5432;

/** A service that greets and then holds its connection; `gone` resolves when that has broken. */
async function holdingService() {
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on('error', () => undefined).once('close', resolve);
    socket.write('hello');
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const routeAt = (address: string) => ({
    ...{ name: 'reporting-db', address, port: SERVICE_PORT },
    ...{ targetHost: '127.0.0.1', targetPort: port },
  });
  return { gone, routeAt, [Symbol.asyncDispose]: async () => void server.close() };
}

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
  await using service = await holdingService();
  await fixture.bind({ mode: 'internet' }, { services: [service.routeAt(fixture.address)] });
  expect((await fixture.call(`/executions/${ATTEMPT}/input`)).status).toBe(200);
  expect(await listens(fixture.address, EGRESS_PORT)).toBe(true);
  const open = connect(RUNTIME_PORT, fixture.address);
  await once(open, 'connect');
  const query = connect(SERVICE_PORT, fixture.address);
  const queryEnds = new Promise((resolve) => query.on('error', () => undefined).once('close', resolve));
  const [told] = await once(query, 'data');
  expect(String(told)).toBe('hello');
  expect((await fixture.call('/health')).json()).toMatchObject({ services: { 'reporting-db': 'reachable' } });
  expect(await countersOf(fixture)).not.toEqual([]);

  if (isTold) {
    expect(await fixture.sidecar.carryOut({ type: 'unbind' })).toEqual({ type: 'unbound' });
    await Promise.all([once(open, 'close'), queryEnds, service.gone]);
    expect(await countersOf(fixture)).toEqual([]);
    expect(await listens(fixture.address, EGRESS_PORT)).toBe(false);
    expect(await listens(fixture.address, SERVICE_PORT)).toBe(false);
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
    await Promise.all([once(open, 'close'), queryEnds, service.gone]);
    expect(await countersOf(fixture)).toEqual([]);
  }
  expect(await listens(fixture.address, SERVICE_PORT)).toBe(false);
  expect((await fixture.call('/health')).json()).not.toHaveProperty('services');
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

test('a sidecar that was taken off a network says so', async () => {
  const addresses = ['10.0.0.2', '172.18.0.9'];
  await using fixture = new Fixture({ addresses: () => [...addresses] });
  await fixture.start();
  expect(await fixture.sidecar.carryOut({ type: 'health' })).toEqual({ type: 'health' });
  addresses.pop();
  expect(await fixture.sidecar.carryOut({ type: 'health' })).toEqual({
    type: 'health',
    problem: 'it has lost its address 172.18.0.9: it was taken off a network',
  });
});

test('a sidecar whose API takes no connections says so', async () => {
  await using fixture = new Fixture();
  await fixture.start();
  expect(await fixture.sidecar.carryOut({ type: 'health' })).toEqual({ type: 'health' });
  await fixture.sidecar.close();
  expect(await fixture.sidecar.carryOut({ type: 'health' })).toEqual({
    type: 'health',
    problem: `its API takes no connections at ${fixture.address}:${RUNTIME_PORT}`,
  });
});
