import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';
import { LISTED_COLUMNS, type ListedJob } from './jobs-list.ts';

/** Which jobs someone watches. */
export interface Watch {
  readonly tenant: string;
  readonly all: boolean;
  readonly jobs: readonly string[];
  readonly batches: readonly string[];
}

export type ChangedJob = ListedJob & { readonly changed: string };

/**
 * Every transaction older than this has ended: whoever has read all changes since an older horizon goes on from here and
 * misses nothing. What was changed behind it may come twice.
 */
export async function horizon(db: Kysely<Database>): Promise<string> {
  const { rows } = await sql<{ at: string }>`
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS at`.execute(db);
  return rows[0]?.at ?? '0';
}

/** A page of watched jobs that changed at or after a horizon, in the order of their changes. */
export async function changedJobs(
  db: Kysely<Database>,
  watch: Watch,
  {
    since,
    after,
    limit,
  }: { since: string; after: { changed: string; id: string } | undefined; limit: number },
): Promise<ChangedJob[]> {
  const { rows } = await sql<ChangedJob>`
    SELECT ${LISTED_COLUMNS}, changed::text AS changed FROM jobs
    WHERE changed >= ${since}::xid8 AND tenant = ${watch.tenant}
      AND (${watch.all} OR id = ANY(${watch.jobs}::text[]) OR batch_id = ANY(${watch.batches}::text[]))
      AND (${after === undefined} OR (jobs.changed, id) > (${after?.changed ?? '0'}::xid8, ${after?.id ?? ''}))
    ORDER BY jobs.changed, id LIMIT ${limit}`.execute(db);
  return rows;
}

/** Names the changes of a tenant's jobs at or after a horizon; empty when there are none. */
export async function activitySince(db: Kysely<Database>, tenant: string, since: string): Promise<string> {
  const { rows } = await sql<{ jobs: number; newest: string | null }>`
    SELECT count(*) AS jobs, max(changed::text) AS newest FROM jobs
    WHERE changed >= ${since}::xid8 AND tenant = ${tenant}`.execute(db);
  const { jobs = 0, newest = null } = rows[0] ?? {};
  return newest === null ? '' : `${newest}:${jobs}`;
}
