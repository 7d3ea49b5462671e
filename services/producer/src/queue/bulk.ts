import { hash } from 'node:crypto';
import { QUEUED_NAME, type QueuePayload } from '@cronium/contracts';
import type { Queue } from 'bullmq';
import { addDelayedJob } from 'bullmq/dist/esm/scripts/addDelayedJob-6.js';
import { addPrioritizedJob } from 'bullmq/dist/esm/scripts/addPrioritizedJob-9.js';
import { Command, type Redis } from 'ioredis';
import type { NewJob } from '../intake/new-job.ts';

/** One call adds so many: Valkey serves nobody else for its 2 to 3 ms. */
const JOBS_IN_A_CALL = 100;

/** A script of BullMQ's that adds one job, made into one that adds many. */
interface BulkScript {
  readonly text: string;
  readonly sha1: string;
  /** The parts of a queue whose keys it takes, in BullMQ's order. */
  readonly parts: readonly string[];
}

const PRIORITIZED = bulkScript(
  addPrioritizedJob,
  'marker meta id prioritized delayed completed active events pc'.split(' '),
);
const DELAYED = bulkScript(addDelayedJob, 'marker meta id delayed completed events'.split(' '));

/**
 * Runs BullMQ's own text for each job, with what `Queue.addBulk` gives it. That text unpacks its arguments: here it gets
 * them unpacked, those that the jobs share once. A job's are its id and its data; BullMQ keeps the id among the options too.
 * Ends at the first job that BullMQ answers with a number below 0, which is an error of its own.
 */
export function bulkScript(
  { content, keys }: { content: string; keys: number },
  parts: readonly string[],
): BulkScript {
  if (parts.length !== keys) throw new Error(`BullMQ's script takes ${keys} keys, not ${parts.length}`);
  const text = `
local function add(KEYS, ARGV, cmsgpack)
${content}
end
local unpacked = { unpack = function(value) return value end }
local prefix, name, timestamp, opts = ARGV[1], ARGV[2], tonumber(ARGV[3]), cjson.decode(ARGV[4])
for i = 5, #ARGV, 2 do
  opts.jobId = ARGV[i]
  local reply = add(KEYS, { { prefix, ARGV[i], name, timestamp }, ARGV[i + 1], opts }, unpacked)
  if type(reply) == 'number' and reply < 0 then
    return redis.error_reply('BullMQ answered ' .. reply .. ' to the job ' .. ARGV[i])
  end
end
`;
  return { text, sha1: hash('sha1', text), parts };
}

/**
 * Adds jobs to a queue as `Queue.addBulk` does, with one call to Valkey for many of them instead of one for each. A job whose
 * id is there already is left as it is. When this throws, some of the jobs may be there.
 */
export async function addAll(
  queue: Queue<QueuePayload>,
  { valkey, jobs }: { valkey: Redis; jobs: readonly NewJob[] },
): Promise<void> {
  const calls = [...Map.groupBy(jobs, ({ options }) => options)].flatMap(([options, alike]) => {
    // A priority of the fleet's is never BullMQ's 0, which would be another list.
    const script = alike.some(({ isDelayed }) => isDelayed) ? DELAYED : PRIORITIZED;
    return cut(alike).map((some) => addAlike(queue, { valkey, script, options, jobs: some }));
  });
  await Promise.all(calls);
}

function cut(jobs: readonly NewJob[]): (readonly NewJob[])[] {
  const pieces = Math.ceil(jobs.length / JOBS_IN_A_CALL);
  return Array.from({ length: pieces }, (_, i) => jobs.slice(i * JOBS_IN_A_CALL, (i + 1) * JOBS_IN_A_CALL));
}

async function addAlike(
  queue: Queue<QueuePayload>,
  {
    valkey,
    script,
    options,
    jobs,
  }: { valkey: Redis; script: BulkScript; options: string; jobs: readonly NewJob[] },
): Promise<void> {
  const args = script.parts.map((part) => queue.toKey(part));
  args.push(queue.toKey(''), QUEUED_NAME, String(Date.now()), options);
  for (const { id, data } of jobs) args.push(id, data);
  await run(valkey, script, args);
}

/** Calls a script by its digest; a server that does not know it yet gets its text. */
async function run(valkey: Redis, { text, sha1, parts }: BulkScript, args: readonly string[]): Promise<void> {
  try {
    await send(valkey, 'evalsha', [sha1, parts.length, ...args]);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    await send(valkey, 'eval', [text, parts.length, ...args]);
  }
}

/**
 * A command lets go of its arguments, which are the jobs, by itself: ioredis hangs functions on each command, and V8 14.6
 * (Node.js 26) keeps what has one until a full collection.
 */
async function send(valkey: Redis, name: string, args: (string | number)[]): Promise<void> {
  const command = new Command(name, args);
  try {
    await valkey.sendCommand(command);
  } finally {
    command.args.length = 0;
  }
}
