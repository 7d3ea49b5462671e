import { TERMINAL_STATES } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** A job that has not ended, as far as the accounts look at it. */
export interface OpenJob {
  readonly id: string;
  readonly state: string;
  readonly attempt: number;
  readonly node: string | null;
  readonly stay_ms: number;
  readonly accepted_ms: number;
  readonly payload: string;
}

const COLUMNS = ['id', 'state', 'attempt', 'node', 'stay_ms', 'accepted_ms', 'payload'] as const;
const ENDED = [...TERMINAL_STATES];
/** As the index of open jobs has it; a parameter would hide it from the planner. */
const IS_OPEN = sql<boolean>`state IN ('queued', 'claimed', 'preparing', 'running', 'draining')`;

/** How many jobs there are, and how many of them have ended. */
export async function countJobs(db: Kysely<Database>): Promise<{ accepted: number; ended: number }> {
  const { rows } = await sql<{ accepted: string; ended: string }>`
    SELECT count(*) AS accepted, count(*) FILTER (WHERE state = ANY(${ENDED}::text[])) AS ended FROM jobs`.execute(
    db,
  );
  return { accepted: Number(rows[0]?.accepted ?? 0), ended: Number(rows[0]?.ended ?? 0) };
}

/** A page of the jobs that have not ended, by id. */
export async function openJobs(
  db: Kysely<Database>,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<OpenJob[]> {
  return await db
    .selectFrom('jobs')
    .select(COLUMNS)
    .where('id', '>', after)
    .where(IS_OPEN)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Those of the jobs that have not ended. */
export async function openAmong(db: Kysely<Database>, ids: readonly string[]): Promise<OpenJob[]> {
  return await db
    .selectFrom('jobs')
    .select(COLUMNS)
    .where('id', '=', sql<string>`ANY(${ids}::text[])`)
    .where('state', 'not in', ENDED)
    .execute();
}

/** Where each of the jobs stands; those that are not known are left out. */
export async function standings(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<Map<string, { readonly state: string; readonly attempt: number }>> {
  const rows = await db
    .selectFrom('jobs')
    .select(['id', 'state', 'attempt'])
    .where('id', '=', sql<string>`ANY(${ids}::text[])`)
    .execute();
  return new Map(rows.map((row) => [row.id, row]));
}

/** What a job's earlier attempts came to since a person last put it into the queue. */
export async function historyOf(
  db: Kysely<Database>,
  jobId: string,
): Promise<{ reported: number; failures: number; losses: number } | undefined> {
  const rows = await db
    .selectFrom('attempts')
    .innerJoin('jobs', 'jobs.id', 'attempts.job_id')
    .select(['attempts.attempt', 'attempts.state'])
    .where('job_id', '=', jobId)
    .where('attempts.outcome', 'is not', null)
    .whereRef('attempts.attempt', '>', 'jobs.settled_attempt')
    .execute();
  if (rows.length === 0) return undefined;
  const count = (...states: readonly string[]) => rows.filter(({ state }) => states.includes(state)).length;
  const reported = Math.max(...rows.map(({ attempt }) => attempt));
  return { reported, failures: count('failed', 'timed_out'), losses: count('lost') };
}

/** Locks a job that has not ended and has not moved since it was seen; `undefined` when it has. */
export async function holdUnmoved(db: Kysely<Database>, seen: OpenJob): Promise<OpenJob | undefined> {
  return await db
    .selectFrom('jobs')
    .select(COLUMNS)
    .where('id', '=', seen.id)
    .where('attempt', '=', seen.attempt)
    .where('stay_ms', '=', seen.stay_ms)
    .where('state', 'not in', ENDED)
    .forUpdate()
    .executeTakeFirst();
}

/** The job waits in the queue again. */
export async function markQueued(db: Kysely<Database>, id: string, payload: string): Promise<void> {
  await sql`UPDATE jobs SET state = 'queued', payload = ${payload}, next_run_ms = NULL, changed = pg_current_xact_id()
    WHERE id = ${id}`.execute(db);
}
