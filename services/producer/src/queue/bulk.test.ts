import { type JobSpec, jobSpec, keysFor, newJobId, QUEUED_NAME, queueKey } from '@cronium/contracts';
import { dropKeys, privateValkey, Queue, testEnvironment, testPrefix } from '@cronium/testing';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { type NewJob, newJob } from '../intake/new-job.ts';
import { createValkey } from '../valkey/connection.ts';
import { bulkScript } from './bulk.ts';
import { FleetQueues } from './queues.ts';

/** A queue that the producer fills, and one beside it that `Queue.addBulk` fills. */
interface Pair extends AsyncDisposable {
  readonly valkey: Redis;
  /** A key of the producer's queue. */
  key(part: string): string;
  add(jobs: readonly NewJob[]): Promise<void>;
  /** All that stands in Valkey of the producer's queue, and of one that `addBulk` made of the same jobs. */
  both(jobs: readonly NewJob[]): Promise<{ ours: unknown; bulk: unknown }>;
}

async function startPair(url = testEnvironment().valkeyUrl): Promise<Pair> {
  const prefix = testPrefix();
  const other = testPrefix();
  const valkey = createValkey(url);
  valkey.on('error', () => undefined);
  await valkey.connect();
  const queues = new FleetQueues({ valkey, keys: keysFor(prefix), prefix, maxQueued: 10_000 });
  const queue = new Queue('default', { connection: valkey, prefix: other, skipVersionCheck: true });
  return {
    valkey,
    key: (part) => queueKey(prefix, 'default', part),
    add: (jobs) => queues.add(jobs),
    both: async (jobs) => {
      const added = await Promise.all(jobs.map((job) => bulkEntry(valkey, `${prefix}:default`, job)));
      await queue.addBulk(added);
      return {
        ours: await standing(valkey, `${prefix}:default`),
        bulk: await standing(valkey, `${other}:default`),
      };
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([queues.close(), queue.close()]);
      valkey.disconnect();
      await Promise.all([dropKeys(prefix, url), dropKeys(other, url)]);
    },
  };
}

/** The job for `addBulk`, at the time at which it came into our queue. */
async function bulkEntry(valkey: Redis, queue: string, { id, data, options }: NewJob) {
  const timestamp = Number(await valkey.hget(`${queue}:${id}`, 'timestamp'));
  return {
    name: QUEUED_NAME,
    data: JSON.parse(data),
    opts: { ...JSON.parse(options), jobId: id, timestamp },
  };
}

/** Every key of a queue with what is in it. The ids of a stream's entries are times, and not looked at. */
async function standing(valkey: Redis, queue: string): Promise<Record<string, unknown>> {
  const keys = (await valkey.keys(`${queue.replace(/[{}]/g, '\\$&')}:*`)).sort();
  const values = await Promise.all(keys.map((key) => contentOf(valkey, key)));
  return Object.fromEntries(keys.map((key, i) => [key.slice(queue.length), values[i]]));
}

async function contentOf(valkey: Redis, key: string): Promise<unknown> {
  switch (await valkey.type(key)) {
    case 'hash':
      return hashOf(await valkey.hgetall(key));
    case 'zset':
      return valkey.zrange(key, 0, '-1', 'WITHSCORES');
    case 'list':
      return valkey.lrange(key, 0, -1);
    case 'stream':
      return (await valkey.xrange(key, '-', '+')).map(([, fields]) => fields);
    default:
      return valkey.get(key);
  }
}

/** `addBulk` was told the time by an option, which it keeps; it says which version of BullMQ it is. */
function hashOf({ opts, version: _, ...fields }: Record<string, string>): unknown {
  if (opts === undefined) return fields;
  const { timestamp: __, ...options } = JSON.parse(opts);
  return { ...fields, opts: options };
}

function job(spec: Partial<JobSpec> = {}, { keyed = false, id = newJobId() } = {}): NewJob {
  const script = { language: 'bash', source: 'echo "“hi”" \\ \u{1f600}\u0007' };
  return newJob(jobSpec.parse({ type: 'script', script, ...spec }), {
    id,
    submission: { tenant: 'default', trace: undefined, receivedAt: Date.now(), keyed },
  });
}

const many = (spec: Partial<JobSpec>, count = 3) => Array.from({ length: count }, () => job(spec));

describe('jobs that are added together', () => {
  it.each([
    ['plain', many({})],
    ['more than one call takes', many({}, 250)],
    ['with a priority', many({ priority: 7 })],
    ['delayed', many({ delaySeconds: 3600 })],
    ['delayed for as long as can be, with a priority', many({ delaySeconds: 31_536_000, priority: -1000 })],
    ['kept after their end', [job({}, { keyed: true }), job({}, { keyed: true })]],
    ['with a long script', many({ name: 'x'.repeat(100), env: { A: 'y'.repeat(90_000) } })],
    ['alone', many({}, 1)],
  ])('stand in Valkey as addBulk puts them there: %s', async (_, jobs) => {
    await using pair = await startPair();
    await pair.add(jobs);
    const { ours, bulk } = await pair.both(jobs);
    expect(Object.keys(bulk ?? {})).toContain(`:${jobs[0]?.id}`);
    expect(ours).toEqual(bulk);
  });

  it('stay as they are when they are there already, as with addBulk', async () => {
    await using pair = await startPair();
    const [first, second] = [job(), job()];
    const jobs = [first, second, { ...first, data: '{}' }, job()];
    await pair.add(jobs);
    const { ours, bulk } = await pair.both(jobs);
    expect(ours).toEqual(bulk);
    expect(ours).toMatchObject({ [`:${first.id}`]: { data: first.data } });
  });

  it('may be of any kind', async () => {
    await using pair = await startPair();
    const jobs = [
      job(),
      job({ delaySeconds: 60 }),
      job({ priority: 5 }),
      job({}, { keyed: true }),
      job({ runAt: new Date(Date.now() + 3_600_000).toISOString() }),
      job({ priority: 5, delaySeconds: 60 }),
    ];
    await pair.add(jobs);
    // Each kind is added by a call of its own, so that they come in another order.
    const { ours, bulk } = await pair.both(jobs);
    const hashes = jobs.map(({ id }) => `:${id}`);
    const of = (all: unknown) => hashes.map((id) => (all as Record<string, unknown>)[id]);
    expect(of(ours)).toEqual(of(bulk));
  });

  it('come when Valkey has forgotten its scripts', async () => {
    await using server = await privateValkey();
    await using pair = await startPair(server.url);
    await pair.add(many({}));
    await pair.valkey.script('FLUSH');
    await pair.add(many({}, 250));
    expect(await pair.valkey.zcard(pair.key('prioritized'))).toBe(253);
  });

  it('fail with what BullMQ answered', async () => {
    await using pair = await startPair();
    const { text } = bulkScript({ content: "return ARGV[2] == 'bad' and -7 or 'added'", keys: 1 }, ['meta']);
    const jobs = ['job_1', 'good', 'job_2', 'bad', 'job_3', 'bad'];
    const adding = pair.valkey.eval(text, 1, pair.key('meta'), 'prefix', 'name', '1', '{}', ...jobs);
    await expect(adding).rejects.toThrow('BullMQ answered -7 to the job job_2');
  });
});
