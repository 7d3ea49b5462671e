import type { Discrepancy, Keys } from '@cronium/contracts';
import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { countJobs, type OpenJob, openJobs, standings } from '../queries/accounts.ts';
import type { QueuePlace, Queues } from '../queue/queues.ts';
import { type Counted, takeCensus } from './census.ts';
import { findInDocker } from './docker.ts';
import { recordOf } from './places.ts';

/** What the accounts are made from. */
export interface AccountSources {
  readonly db: Kysely<Database>;
  readonly valkey: Redis;
  readonly queues: Queues;
  readonly keys: Keys;
  readonly signal: AbortSignal;
}

/** A discrepancy as one look found it. Two looks mean the same one when their keys are equal. */
export interface Found extends Discrepancy {
  readonly key: string;
}

/** What one look at all three stores gives. */
export interface Look {
  readonly accepted: number;
  readonly ended: number;
  readonly waiting: number;
  readonly running: number;
  readonly counted: readonly Counted[];
  readonly found: readonly Found[];
}

const PAGE = 1000;

/** Looks once at PostgreSQL, at the queues and at every node's Docker. What moves meanwhile can look like a discrepancy. */
export async function look(sources: AccountSources): Promise<Look> {
  const counted = await takeCensus(sources.valkey, sources.keys, sources.signal);
  const { accepted, ended, open } = await snapshot(sources.db);
  const places = await placesOf(sources.queues, open);
  const moved = open.filter(({ id }) => isOut(places.get(id)));
  const since = await standings(
    sources.db,
    moved.map(({ id }) => id),
  );
  const isStillOpen = ({ id, attempt }: OpenJob) => {
    const now = since.get(id);
    return now !== undefined && now.attempt === attempt && !ENDED.has(now.state);
  };
  const lost = moved.filter(isStillOpen);
  const held = (...wanted: readonly QueuePlace[]) =>
    open.filter(({ id }) => wanted.includes(places.get(id) ?? 'gone')).length;
  return {
    accepted,
    ended: ended + moved.length - lost.length,
    waiting: held('waiting', 'delayed'),
    running: held('active'),
    counted,
    found: [
      ...lost.map((job) => lostJob(job, places.get(job.id))),
      ...(await strangersIn(sources)),
      ...(await findInDocker(sources.db, { counted, open })),
    ],
  };
}

const ENDED: ReadonlySet<string> = new Set(['succeeded', 'failed', 'timed_out', 'cancelled', 'lost']);

function isOut(place: QueuePlace | undefined): boolean {
  return place === undefined || place === 'gone' || place === 'completed' || place === 'stranded';
}

/** Counts and open jobs of one moment. */
async function snapshot(db: Kysely<Database>): Promise<{ accepted: number; ended: number; open: OpenJob[] }> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute(async (trx) => {
      const open: OpenJob[] = [];
      for (;;) {
        const page = await openJobs(trx, { after: open.at(-1)?.id ?? '', limit: PAGE });
        open.push(...page);
        if (page.length < PAGE) return { ...(await countJobs(trx)), open };
      }
    });
}

async function placesOf(queues: Queues, jobs: readonly OpenJob[]): Promise<Map<string, QueuePlace>> {
  const places = new Map<string, QueuePlace>();
  for (const [queue, own] of Map.groupBy(jobs, (job) => recordOf(job).name)) {
    for (let at = 0; at < own.length; at += PAGE) {
      const page = own.slice(at, at + PAGE);
      const found = await Promise.all(page.map(({ id }) => queues.place(queue, id)));
      for (const [index, { id }] of page.entries()) places.set(id, found[index] ?? 'gone');
    }
  }
  return places;
}

function lostJob({ id, state, attempt }: OpenJob, place: QueuePlace | undefined): Found {
  const kind = place === 'stranded' ? 'stranded' : 'forgotten';
  const message =
    kind === 'stranded'
      ? `${id} is ${state}, and the queue holds its data in none of its lists. Cancel it and retry it.`
      : `${id} is ${state}, and the queue does not know it. It is queued again after CRONIUM_FORGOTTEN_SECONDS.`;
  return { key: `${kind} ${id} ${attempt}`, kind, jobId: id, node: null, message };
}

/** Jobs in the queues that PostgreSQL does not know, or knows as ended. */
async function strangersIn({ db, valkey, queues, keys }: AccountSources): Promise<Found[]> {
  const found: Found[] = [];
  for (const queue of (await queues.registered()).keys()) {
    for await (const ids of queues.held(queue)) {
      const known = await standings(db, ids);
      for (const id of ids) {
        const state = known.get(id)?.state;
        if (state === undefined) found.push(unannounced(id, queue));
        else if (ENDED.has(state)) found.push(endedInQueue(id, queue, state));
      }
    }
  }
  // Events that results has not read yet tell of the jobs that it does not know.
  const unread = await valkey.xlen(keys.events);
  return unread > 0 ? found.filter(({ kind }) => kind !== 'unannounced') : found;
}

function unannounced(id: string, queue: string): Found {
  const message = `${id} is in the queue ${queue}, and results was never told of it: the producer ended in between, and its submitter got no answer. It runs all the same.`;
  return { key: `unannounced ${id}`, kind: 'unannounced', jobId: id, node: null, message };
}

function endedInQueue(id: string, queue: string, state: string): Found {
  const message = `${id} has ended as ${state}, and the queue ${queue} still holds it: its worker has not told the queue yet, or Valkey fell back to an older state. The worker that takes it next is told so and takes it out without running it.`;
  return { key: `ended_in_queue ${id}`, kind: 'ended_in_queue', jobId: id, node: null, message };
}
