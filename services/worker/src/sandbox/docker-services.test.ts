import { type JobInput, placeServices } from '@cronium/contracts';
import { eventually, testEnvironment } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Sandbox } from './runtime.ts';
import { bytesOf, collect, SandboxFixture } from './testing/fixture.ts';

const PORT = 5432;
const on = (name: string, host: string) => ({
  name,
  ports: [{ port: PORT, target: { host, port: PORT } }],
});
/** Two databases on one port, as is usual, and one that is not there. */
const SERVICES = placeServices([
  on('reporting-db', 'one.internal'),
  on('archive-db', 'two.internal'),
  on('lost-db', 'three.internal'),
]);

const warnings: object[] = [];
let fixture: SandboxFixture;
beforeAll(async () => {
  const { images } = testEnvironment();
  const logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (facts: object) => void warnings.push(facts),
  };
  fixture = await SandboxFixture.create({ images, services: SERVICES, idleSlots: 1, logger });
  await fixture.share();
  await fixture.serve('one.internal', PORT, ['/bin/echo', 'of one']);
  await fixture.serve('two.internal', PORT, ['/bin/echo', 'of two']);
});
afterAll(() => fixture?.[Symbol.asyncDispose]());

/** Asks a service by its address, as the static program here cannot look up names. */
const ASK = `ask() { timeout 3 nc "$(grep -w "$1" /etc/hosts | cut -f1)" ${PORT} </dev/null 2>/dev/null || echo "no $1"; }`;
const EACH = `${ASK}; ask reporting-db; ask archive-db`;

const naming = (services: readonly string[], source = EACH, more: Partial<JobInput> = {}): JobInput =>
  fixture.shell(source, { ...more, services: [...services] } as Partial<JobInput>);

interface Prepared {
  readonly sandbox: Sandbox;
  /** What the trace says of the steps. */
  readonly facts: Readonly<Record<string, unknown>>;
}

async function prepare(input: JobInput, batchId?: string): Promise<Prepared> {
  const facts: Record<string, unknown> = {};
  const observer = {
    begin: () => undefined,
    end: (_: string, attributes?: Readonly<Record<string, unknown>>) => void Object.assign(facts, attributes),
  };
  const request = fixture.request(input);
  const payload = { ...request.payload, ...(batchId !== undefined && { batchId }) };
  const signal = AbortSignal.timeout(150_000);
  return { sandbox: await fixture.runtime.prepare({ ...request, payload }, observer, signal), facts };
}

async function run(input: JobInput, batchId?: string) {
  const { sandbox, facts } = await prepare(input, batchId);
  await sandbox.launch();
  const { stdout } = await fixture.follow(sandbox);
  await sandbox.release();
  return { facts, binding: sandbox.binding, lines: stdout.toString().trim().split('\n') };
}

test('a job reaches the services that it names under their own names, and no other, in one slot after another', async () => {
  const both = await run(naming(['archive-db', 'reporting-db']));
  expect(both.lines).toEqual(['of one', 'of two']);
  expect(both.facts).toMatchObject({ start: 'cold', services: 'archive-db, reporting-db' });
  const none = await run(naming([]));
  expect(none.lines).toEqual(['no reporting-db', 'no archive-db']);
  expect(none.facts).not.toHaveProperty('services');
  const one = await run(naming(['archive-db']));
  expect(one.lines).toEqual(['no reporting-db', 'of two']);
  const sidecars = new Set([both, none, one].map(({ binding }) => binding.sidecarId));
  expect(sidecars.size).toBeLessThan(3);
});

test('a warm start has them too', async () => {
  await eventually(async () => (await run(naming(['reporting-db']))).facts.start === 'warm', {
    what: 'a container stood ready',
  });
  const warm = await run(naming(['reporting-db']));
  expect(warm.lines).toEqual(['of one', 'no archive-db']);
});

test('jobs of a batch that share a container have each what it names', async () => {
  const own = { isolation: 'batch' } as const;
  const batchId = 'batch_000000000001';
  const three = async () => {
    const first = await run(naming(['reporting-db'], EACH, own), batchId);
    const second = await run(naming(['archive-db'], EACH, own), batchId);
    const third = await run(naming([], EACH, own), batchId);
    expect([first, second, third].map(({ lines }) => lines)).toEqual([
      ['of one', 'no archive-db'],
      ['no reporting-db', 'of two'],
      ['no reporting-db', 'no archive-db'],
    ]);
    return new Set([first, second, third].map(({ binding }) => binding.containerId)).size;
  };
  // A container that nobody uses for a while is removed: a busy machine may take that long between two.
  await eventually(async () => (await three()) === 1, { what: 'all three share one', timeoutMs: 60_000 });
});

test('a sidecar that was started again has them, also when another worker does it that offers none', async () => {
  const { sandbox } = await prepare(
    naming(
      ['archive-db'],
      `${ASK}; ask archive-db; until [ "$(ask archive-db)" != "of two" ]; do sleep 0.05; done; echo gone
       until [ "$(ask archive-db)" = "of two" ]; do sleep 0.05; done; ask archive-db; ask reporting-db`,
    ),
  );
  await sandbox.launch();
  const successor = fixture.anotherRuntime({ services: [] });
  const adopted = await successor.adopt(sandbox.binding, fixture.served);
  if (adopted === undefined) throw new Error('it was not adopted');
  const done = new AbortController();
  const kept = adopted.keepSidecar(done.signal);
  const log = () => fixture.docker.getContainer(sandbox.binding.containerId).logs({ stdout: true });
  await eventually(async () => (await log()).includes('of two'), { what: 'the job has reached it' });
  await fixture.docker.getContainer(sandbox.binding.sidecarId).kill();
  const items = await collect(adopted.output({ stdout: 0, stderr: 0 }, AbortSignal.timeout(150_000)));
  expect(bytesOf(items, 'stdout').toString()).toBe('of two\ngone\nof two\nno reporting-db\n');
  done.abort();
  expect(await kept).toBeUndefined();
  await adopted.release();
  await sandbox.release();
});

test('a service that is not there is named in the worker’s log', async () => {
  const { lines, binding } = await run(naming(['lost-db'], `${ASK}; ask lost-db; ask lost-db; ask lost-db`));
  // Each connection was taken, and broken.
  expect(lines).toEqual(['']);
  expect(warnings.filter((one) => 'sharedService' in one)).toEqual([
    {
      sidecar: expect.stringContaining('cronium-runtime-'),
      said: 'a shared service could not be connected to',
      attempt: binding.attemptId,
      sharedService: 'lost-db',
      result: 'failed',
      reason: expect.stringContaining('three.internal:5432 cannot be reached'),
    },
  ]);
});

test('a job that names what is not offered here does not begin', async () => {
  await expect(prepare(naming(['nowhere']))).rejects.toMatchObject({ code: 'service' });
});
