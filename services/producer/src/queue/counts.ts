import { type QueueCounts, type QueueRecord, queueKey, queueRecord, readRecord } from '@cronium/contracts';
import { z } from 'zod';
import { replies, withValkey } from '../valkey/connection.ts';
import type { FleetQueues } from './queues.ts';

/** BullMQ sorts waiting jobs by priority times this, plus a counter (getPriorityScore in its Lua scripts). */
const PRIORITY_STEP = 0x1_0000_0000;
/** More different priorities than this in one queue are not looked at for the oldest job. */
const MOST_PRIORITIES = 50;

/** What counts here of the options that BullMQ keeps with a job. */
const jobOptions = z.object({ delay: z.number().optional() });

type Count = QueueCounts['queues'][number];

/** Counts the jobs of every queue. */
export async function countQueues(queues: FleetQueues): Promise<QueueCounts> {
  return withValkey(async () => {
    const [records, paused] = await Promise.all([
      queues.valkey.hgetall(queues.keys.queues),
      queues.valkey.smembers(queues.keys.pausedPools),
    ]);
    const pausedPools = new Set(paused);
    const counts = await Promise.all(
      Object.entries(records).flatMap(([name, text]) => {
        const record = readRecord(queueRecord, text);
        return record === undefined ? [] : [countOne(queues, { name, record, pausedPools })];
      }),
    );
    return { queues: counts.sort((a, b) => (a.name < b.name ? -1 : 1)) };
  });
}

async function countOne(
  queues: FleetQueues,
  { name, record, pausedPools }: { name: string; record: QueueRecord; pausedPools: ReadonlySet<string> },
): Promise<Count> {
  const key = (part: string) => queueKey(queues.prefix, name, part);
  const pipeline = queues.valkey
    .pipeline()
    .zcard(key('prioritized'))
    .llen(key('wait'))
    .zcard(key('delayed'))
    .llen(key('active'));
  const [prioritized, waiting, delayed, active] = replies(await pipeline.exec()).map(Number);
  return {
    name,
    pool: record.pool,
    requires: { ...record.requires },
    paused: pausedPools.has(record.pool),
    waiting: (prioritized ?? 0) + (waiting ?? 0),
    delayed: delayed ?? 0,
    active: active ?? 0,
    oldestSeconds: await oldestSeconds(queues, name),
  };
}

/** Jobs of one priority stand in the order in which they came: the first of each priority is looked at. */
async function oldestSeconds(queues: FleetQueues, name: string): Promise<number | null> {
  const ids = await firstOfEachPriority(queues, name);
  const pipeline = queues.valkey.pipeline();
  for (const id of ids) pipeline.hmget(queueKey(queues.prefix, name, id), 'timestamp', 'opts');
  const since = replies(await pipeline.exec()).flatMap((reply) => {
    const [timestamp, opts] = Array.isArray(reply) ? reply : [];
    return typeof timestamp === 'string' ? [Number(timestamp) + delayOf(opts)] : [];
  });
  return since.length === 0 ? null : Math.max(0, (Date.now() - Math.min(...since)) / 1000);
}

async function firstOfEachPriority(queues: FleetQueues, name: string): Promise<string[]> {
  const ids: string[] = [];
  let above = 0;
  while (ids.length < MOST_PRIORITIES) {
    const [id, score] = await queues.valkey.zrangebyscore(
      queueKey(queues.prefix, name, 'prioritized'),
      above,
      '+inf',
      'WITHSCORES',
      'LIMIT',
      0,
      1,
    );
    if (id === undefined || score === undefined) break;
    ids.push(id);
    above = (Math.floor(Number(score) / PRIORITY_STEP) + 1) * PRIORITY_STEP;
  }
  const [head] = await queues.valkey.lrange(queueKey(queues.prefix, name, 'wait'), -1, -1);
  return head === undefined ? ids : [...ids, head];
}

/** A job that was to wait first is old only from then on. */
function delayOf(opts: unknown): number {
  return (typeof opts === 'string' && readRecord(jobOptions, opts)?.delay) || 0;
}
