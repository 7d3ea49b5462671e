import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Queue, testEnvironment } from '@cronium/testing';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BullQueue } from '../../../services/worker/src/claim/bull-queue.ts';
import { SimulatedQueue } from './valkey.ts';

/** Locks end when the test says so, on both sides. */
const LOCK_MS = 600_000;
const IDS = ['a', 'b', 'c', 'd'].map((name) => `job_00000000000${name}`);
const TOKENS = ['t1', 't2'];

let connection: Redis;
beforeAll(async () => {
  connection = new Redis(testEnvironment().valkeyUrl, { maxRetriesPerRequest: null });
  // Its questions do not wait for a connection.
  if (connection.status !== 'ready') await once(connection, 'ready');
});
afterAll(() => connection.disconnect());

const id = fc.constantFrom(...IDS);
const token = fc.constantFrom(...TOKENS);
const operation = fc.oneof(
  fc.record({ do: fc.constant('add' as const), id, priority: fc.constantFrom(0, 5, 9) }),
  { arbitrary: fc.record({ do: fc.constant('take' as const), token }), weight: 3 },
  {
    arbitrary: fc.record({
      do: fc.constant('extend' as const),
      id,
      token,
      started: fc.integer({ min: 1, max: 3 }),
    }),
    weight: 2,
  },
  fc.record({ do: fc.constant('complete' as const), id, token }),
  {
    arbitrary: fc.record({
      do: fc.constant('putBack' as const),
      id,
      token,
      delayMs: fc.constantFrom(0, 600_000),
    }),
    weight: 2,
  },
  { arbitrary: fc.record({ do: fc.constant('expire' as const), id }), weight: 2 },
  { arbitrary: fc.record({ do: fc.constant('moveStalled' as const) }), weight: 2 },
  fc.record({ do: fc.constant('remove' as const), id }),
  fc.record({ do: fc.constant('peek' as const) }),
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** A queue in the real store, with the hands of its producer and of time. */
async function openReal() {
  const prefix = `{t-${randomBytes(6).toString('hex')}}`;
  const onError = () => undefined;
  const options = {
    name: 'default',
    prefix,
    connection,
    lockMs: LOCK_MS,
    stalledCheckMs: 1000,
    node: 'n',
    onError,
  };
  const worker = new BullQueue(options);
  const producer = new Queue('default', { connection, prefix });
  return {
    worker,
    producer,
    [Symbol.asyncDispose]: async () => {
      await worker.close();
      await producer.obliterate({ force: true });
      await producer.close();
    },
  };
}
type Real = Awaited<ReturnType<typeof openReal>>;

async function onReal({ worker, producer }: Real, op: Operation): Promise<unknown> {
  switch (op.do) {
    case 'add':
      await producer.add('job', { of: op.id }, { jobId: op.id, priority: op.priority });
      return undefined;
    case 'take':
      return worker.take(op.token).then(taken);
    case 'extend':
      return worker.extend([{ jobId: op.id, token: op.token, started: op.started }]);
    case 'complete':
      return worker.complete(op.id, op.token, true);
    case 'putBack':
      return worker.putBack(op.id, op.token, op.delayMs, { data: `{"of":"${op.id}"}` });
    case 'expire':
      return void (await connection.del(`${producer.toKey(op.id)}:lock`));
    case 'moveStalled':
      await connection.del(producer.toKey('stalled-check'));
      return void (await worker.moveStalled());
    case 'remove':
      return (await isActive(producer, op.id)) ? undefined : void (await producer.remove(op.id));
    case 'peek':
      return worker.peek(10);
  }
}

async function isActive(producer: Queue, jobId: string): Promise<boolean> {
  return (await connection.lpos(producer.toKey('active'), jobId)) !== null;
}

function onSimulated(queue: SimulatedQueue, op: Operation): unknown {
  switch (op.do) {
    case 'add':
      return queue.add(op.id, `{"of":"${op.id}"}`, op.priority);
    case 'take':
      return taken(queue.take(op.token, LOCK_MS));
    case 'extend':
      return queue.extend([{ jobId: op.id, token: op.token, started: op.started }], LOCK_MS);
    case 'complete':
      return queue.complete(op.id, op.token);
    case 'putBack':
      return queue.putBack(op.id, op.token, op.delayMs, { data: `{"of":"${op.id}"}` });
    case 'expire':
      return queue.expire(op.id);
    case 'moveStalled':
      return void queue.moveStalled(0);
    case 'remove':
      return void queue.remove(op.id);
    case 'peek':
      return queue.peek(10);
  }
}

function taken(taking: Awaited<ReturnType<BullQueue['take']>>): unknown {
  if (taking.type === 'empty') return 'empty';
  const { id: jobId, data, started } = taking.job;
  return { jobId, data, started };
}

async function placesOf(producer: Queue): Promise<unknown> {
  const of = async (...states: ('waiting' | 'prioritized' | 'delayed' | 'active')[]) =>
    (await producer.getJobs(states)).map((job) => job.id).toSorted();
  return {
    waiting: await of('waiting', 'prioritized'),
    delayed: await of('delayed'),
    active: await of('active'),
  };
}

test('the simulated queue does what the real one does, whatever is asked of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
      await using real = await openReal();
      const simulated = new SimulatedQueue();
      for (const op of operations) {
        expect([op, onSimulated(simulated, op)]).toEqual([op, await onReal(real, op)]);
      }
      const { waiting, delayed, active } = simulated.places;
      const places = { waiting: waiting.toSorted(), delayed: delayed.toSorted(), active: active.toSorted() };
      expect(places).toEqual(await placesOf(real.producer));
    }),
    { numRuns: 60 },
  );
});
