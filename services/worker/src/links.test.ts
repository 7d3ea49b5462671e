import { readdir, readFile, readlink } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { eventually, FarHost, valkeyProgram } from '@cronium/testing';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { httpResults } from './report/results-client.ts';
import { TestFleet } from './testing/fleet.ts';
import { step, succeeds } from './testing/scripted-host.ts';

const PORT = 6379;
const RESULTS = fileURLToPath(new URL('./testing/fixtures/far-results.ts', import.meta.url));

async function farValkey(): Promise<{ readonly far: FarHost; readonly url: string }> {
  const { executable, env } = await valkeyProgram();
  const settings = ['--bind', '0.0.0.0', '--port', String(PORT), '--protected-mode', 'no', '--save', ''];
  const far = await FarHost.start([executable, ...settings], env);
  const url = `redis://${far.address}:${PORT}`;
  const client = new Redis(url);
  client.on('error', () => undefined);
  await eventually(() => client.ping(), { what: 'the far Valkey answers' });
  client.disconnect();
  return { far, url };
}

/** The ports of connections by their names. */
async function portsOf(valkey: Redis, names: readonly string[]): Promise<number[]> {
  const lines = String(await valkey.client('LIST')).split('\n');
  const named = lines.filter((line) => names.some((name) => line.includes(` name=${name} `)));
  return named.flatMap((line) => Number(/ addr=\S+:(\d+) /.exec(line)?.[1]));
}

/** This process's connections to there which the kernel holds for whole, by their ports here. */
async function connectionsTo(address: string): Promise<number[]> {
  const own = new Set(
    (await socketsOfThisProcess()).flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []),
  );
  const [, ...lines] = (await readFile('/proc/self/net/tcp', 'utf8')).trim().split('\n');
  return lines.flatMap((line) => {
    const [, near = '', far = '', state, , , , , , inode = ''] = line.trim().split(/\s+/);
    const isMeant = state === ESTABLISHED && far.startsWith(`${inHex(address)}:`) && own.has(inode);
    return isMeant ? [Number.parseInt(near.split(':')[1] ?? '', 16)] : [];
  });
}

async function socketsOfThisProcess(): Promise<string[]> {
  const open = await readdir('/proc/self/fd');
  return Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
}

const ESTABLISHED = '01';

/** As the kernel lists it: its bytes from the last to the first. */
function inHex(address: string): string {
  return Buffer.from(address.split('.').reverse().map(Number)).toString('hex').toUpperCase();
}

describe.concurrent('a link that fails in the kernel, and says nothing', () => {
  test.each(['requests', 'answers'] as const)(
    'to Valkey, %s lost: the job is held still, every connection is given up, and all goes on by itself',
    async (direction) => {
      const { far, url } = await farValkey();
      await using stack = new AsyncDisposableStack();
      stack.use(far);
      const fleet = stack.use(new TestFleet(url));
      const go = Promise.withResolvers<void>();
      fleet.scripts.long = () => [step.started('main'), step.wait(go.promise), step.exit(0)];
      const worker = await fleet.worker();
      const jobId = await fleet.submit({ name: 'long' });
      await eventually(() => worker.host.launched.length === 1, { what: 'it runs' });
      // Not that of the waits for work: nothing is asked of it while the queue itself cannot be reached.
      const asked = ['queue', 'commands', 'subscriber'].map((role) => `worker:${worker.name}:${role}`);
      const before = await portsOf(fleet.valkey, asked);
      expect(before).toHaveLength(3);
      // The test's own would wait for their answers.
      fleet.valkey.disconnect();
      await far.cut(direction);
      await eventually(() => [...worker.host.containers.values()].every(({ isFrozen }) => isFrozen), {
        what: 'the job is held still',
      });
      await eventually(
        async () => {
          const now = await connectionsTo(far.address);
          return !now.some((port) => before.includes(port));
        },
        { what: 'the dead connections are given up' },
      );
      await far.heal();
      go.resolve();
      const end = await eventually(() => fleet.results.end(jobId), { what: 'it ends' });
      expect(end).toMatchObject({ state: 'succeeded', attempt: 1 });
      expect(worker.host.launched).toEqual([`${jobId}.1`]);
      await fleet.valkey.connect();
      const next = await fleet.submit({ name: 'next' });
      await eventually(() => fleet.results.end(next), { what: 'the next job ends' });
    },
  );

  test('to Valkey, a fifth of all packets lost and few let through: jobs run once each', async () => {
    const { far, url } = await farValkey();
    await using stack = new AsyncDisposableStack();
    stack.use(far);
    const fleet = stack.use(new TestFleet(url));
    fleet.scripts.job = () => succeeds('done');
    const worker = await fleet.worker({ settings: { lockMs: 20_000 } });
    const jobs: string[] = [];
    for (let count = 0; count < 5; count++) jobs.push(await fleet.submit({ name: 'job' }));
    await far.lose(0.2, 40);
    const ends = await Promise.all(
      jobs.map((id) => eventually(() => fleet.results.end(id), { what: `${id} ends` })),
    );
    await far.heal();
    expect(ends.map(({ state }) => state)).toEqual(Array(5).fill('succeeded'));
    expect(worker.host.launched.map((id) => id.split('.')[0]).toSorted()).toEqual(jobs.toSorted());
  });

  test.each(['requests', 'answers'] as const)(
    'to results, %s lost: the request is given up, and the next one gets through when the link is whole',
    async (direction) => {
      await using far = await FarHost.start([process.execPath, RESULTS, '7071']);
      const client = httpResults({ url: `http://${far.address}:7071`, token: async () => 't' });
      const { signal } = new AbortController();
      await eventually(() => client.ping(signal).then(() => true), { what: 'it answers' });
      expect(await connectionsTo(far.address)).toHaveLength(1);
      await far.cut(direction);
      await expect(client.sendUpdates([], signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(await connectionsTo(far.address)).toEqual([]);
      await far.heal();
      expect(await client.sendUpdates([], signal)).toEqual({ results: [] });
    },
  );
});
