import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, testEnvironment } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { LocalService } from '../../local/bootstrap.ts';
import { TestFleet } from './harness.ts';
import { script, WAIT_MS } from './jobs.ts';
import { openValkey } from './own-stores.ts';

/** What the promise is about: a service that is away for so long. */
const OUTAGE_MS = 30_000;
const KINDS = ['count', 'compared', 'list', 'output', 'artifact'] as const;
const WRITERS = [
  ['bash', 'writer.sh'],
  ['python', 'writer.py'],
  ['python', 'writer-asyncio.py'],
  ['node', 'writer.mjs'],
] as const;

type Counts = Record<(typeof KINDS)[number], number>;

let fleet: TestFleet;
let valkey: LocalService;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'outages-'));
  stack.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  valkey = await openValkey(stack, folder);
  const { databaseUrl } = testEnvironment();
  fleet = stack.use(
    await TestFleet.start({
      workers: [
        { env: { CRONIUM_SLOTS: '4' } },
        // As it is by default: Valkey is away for longer than a lock lasts, and jobs are held still meanwhile.
        { env: { CRONIUM_SLOTS: '1', CRONIUM_POOLS: 'still', CRONIUM_LOCK_SECONDS: '15' } },
      ],
      stores: { valkeyUrl: valkey.url, databaseUrl },
    }),
  );
});
afterAll(() => stack.disposeAsync());

/** How many writes of each kind a job says that it has made. */
async function countsOf(id: string): Promise<Counts> {
  const lines = (await fleet.log(id)).toString().split('\n');
  const last = (kind: string) => lines.findLast((line) => line.startsWith(`${kind} `))?.split(' ')[1] ?? 0;
  return Object.fromEntries(KINDS.map((kind) => [kind, Number(last(kind))])) as Counts;
}

/** Every kind of write of every job goes on: the call that was under way, and one more. */
async function allGoOn(ids: readonly string[]): Promise<void> {
  const before = await Promise.all(ids.map(countsOf));
  await eventually(
    async () => {
      const states = await Promise.all(ids.map(async (id) => (await fleet.client.job(id)).state));
      if (states.some((state) => state !== 'running')) return true;
      const now = await Promise.all(ids.map(countsOf));
      const goesOn = now.every((counts, job) =>
        KINDS.every((kind) => counts[kind] > (before[job]?.[kind] ?? 0) + 1),
      );
      if (!goesOn) throw new Error(`before ${JSON.stringify(before)}, now ${JSON.stringify(now)}`);
      return true;
    },
    { what: 'all jobs write again', timeoutMs: WAIT_MS, everyMs: 1000 },
  );
  for (const id of ids) {
    const { name, state } = await fleet.client.job(id);
    expect(state, `${name}: ${(await fleet.log(id)).toString()}`).toBe('running');
  }
}

async function variable(id: string, name: string) {
  const answer = await fleet.request(`/v1/variables/${encodeURIComponent(`writers/${id}/${name}`)}`);
  return (await answer.json()) as { value: unknown; version: number };
}

/** All that a job says it wrote is there, once. */
async function expectAll(id: string): Promise<void> {
  const log = (await fleet.log(id)).toString();
  expect(await fleet.ended(id), log).toMatchObject({ state: 'succeeded', attempts: 1 });
  const { count, compared, list, output, artifact } = await countsOf(id);
  expect(await variable(id, 'count')).toMatchObject({ value: count, version: count });
  expect(await variable(id, 'compared')).toMatchObject({ value: compared, version: compared });
  const numbers = Array.from({ length: list }, (_, index) => index + 1);
  expect(await variable(id, 'list')).toMatchObject({ value: numbers.join(' '), version: list });
  expect((await fleet.client.job(id)).output).toEqual({ last: output });
  const stored = await fleet.request(`/v1/jobs/${id}/artifacts/artifact`);
  const bytes = Buffer.from(await stored.arrayBuffer());
  expect(bytes.equals(Buffer.concat([Buffer.from(`${artifact}\n`), Buffer.alloc(1_000_000)]))).toBe(true);
}

test('jobs in every language write on while Valkey, then results, is away for 30 s: all of it arrives, once', async () => {
  const source = (file: string) => readFileSync(join(import.meta.dirname, 'writers', file), 'utf8');
  const jobs = [
    ...WRITERS.map(([language, file]) => script(language, source(file), { name: file })),
    script('bash', source('writer.sh'), { name: 'held still', pool: 'still' }),
  ];
  const ids = await Promise.all(jobs.map((job) => fleet.submit(job)));
  for (const id of ids) await fleet.prints(id, 'artifact 1\n');

  // Silent: connections stay open, and nothing answers.
  process.kill(valkey.pid ?? 0, 'SIGSTOP');
  await pause(OUTAGE_MS);
  process.kill(valkey.pid ?? 0, 'SIGCONT');
  await allGoOn(ids);

  await fleet.results.kill();
  await pause(OUTAGE_MS);
  await fleet.results.start();
  await fleet.results.ready();
  await allGoOn(ids);

  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ value: 'yes' });
  expect((await fleet.request('/v1/variables/end', { method: 'PUT', headers, body })).status).toBe(200);
  for (const id of ids) await expectAll(id);
});
