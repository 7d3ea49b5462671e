import { TERMINAL_STATES } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import { names, recordset } from '../db/bulk.ts';
import type { Database } from '../db/schema.ts';
import type { NewJob, StoredPayload } from '../ingest/payload.ts';

const NEW_JOB = {
  id: 'text',
  tenant: 'text',
  name: 'text',
  type: 'text',
  pool: 'text',
  batch_id: 'text',
  line: 'integer',
  labels: 'text[]',
  payload: 'text',
  trace_id: 'text',
  received_ms: 'double precision',
  accepted_ms: 'double precision',
  stay_ms: 'double precision',
  state: 'text',
  webhook: 'text',
} as const;

/** Writes the jobs that are not known yet; known ones stay as they are. */
export async function insertJobs(db: Kysely<Database>, jobs: readonly NewJob[]): Promise<void> {
  if (jobs.length === 0) return;
  const rows = [...jobs].sort(byId);
  await sql`INSERT INTO jobs (${names(NEW_JOB)}) SELECT ${names(NEW_JOB)} FROM ${recordset(NEW_JOB, rows)}
    ON CONFLICT (id) DO NOTHING`.execute(db);
}

/** Locks some jobs until the transaction ends. Always in the order of their ids, so that two can't deadlock. */
export async function lockJobs(db: Kysely<Database>, ids: readonly string[]): Promise<void> {
  await db
    .selectFrom('jobs')
    .select('id')
    .where('id', '=', sql<string>`ANY(${ids}::text[])`)
    .orderBy('id')
    .forUpdate()
    .execute();
}

/** Which of these ids are known. */
export async function knownJobs(db: Kysely<Database>, ids: readonly string[]): Promise<Set<string>> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('id', '=', sql<string>`ANY(${ids}::text[])`)
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** Those of the jobs that no attempt works on. */
export async function queuedAmong(db: Kysely<Database>, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('jobs')
    .select('id')
    .where('id', '=', sql<string>`ANY(${ids}::text[])`)
    .where('state', '=', 'queued')
    .execute();
  return rows.map(({ id }) => id);
}

/** Ends jobs that no attempt holds as cancelled. Returns the ids of those that were. */
export async function markCancelled(
  db: Kysely<Database>,
  ids: readonly string[],
  { by, reason, atMs }: { by: string; reason?: string | undefined; atMs: number },
): Promise<string[]> {
  const message = `Cancelled by ${by} while it waited in the queue${reason === undefined ? '.' : `: ${reason}`}`;
  const { rows } = await sql<{ id: string }>`
    UPDATE jobs SET state = 'cancelled', cause = 'cancelled', message = ${message}, exit_code = NULL,
      next_run_ms = NULL, ended_ms = greatest(${atMs}::double precision, accepted_ms), changed = pg_current_xact_id()
    WHERE id IN (SELECT id FROM jobs WHERE id = ANY(${ids}::text[]) AND state = 'queued' ORDER BY id FOR UPDATE)
      AND state = 'queued'
    RETURNING id`.execute(db);
  return rows.map(({ id }) => id);
}

/**
 * Puts an ended job back into the queue, by the payload of its new stay there; unless that stay, or an attempt of it, is
 * known already. Returns whether it did.
 */
export async function markRetried(
  db: Kysely<Database>,
  id: string,
  payload: StoredPayload,
): Promise<boolean> {
  const { numAffectedRows } = await sql`
    UPDATE jobs SET state = 'queued', settled_attempt = attempt, stay_ms = ${payload.acceptedAt},
      payload = ${JSON.stringify(payload)}, exit_code = NULL, cause = NULL, message = NULL, next_run_ms = NULL,
      started_ms = NULL, ended_ms = NULL, run_ms = NULL, changed = pg_current_xact_id()
    WHERE id = ${id} AND attempt <= ${payload.attemptBase} AND stay_ms <> ${payload.acceptedAt}
      AND state = ANY(${[...TERMINAL_STATES]}::text[])`.execute(db);
  return numAffectedRows === 1n;
}

export function byId(a: { readonly id: string }, b: { readonly id: string }): number {
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
