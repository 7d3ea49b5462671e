import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import { pgText } from '../db/bulk.ts';
import type { Database } from '../db/schema.ts';
import type { JobRow } from './jobs-read.ts';
import { fullPageWithin, readAmong, readWindow, type WindowPage, type WindowQuery } from './window.ts';

/** Which jobs to list; all that are given must hold. */
export interface JobFilter {
  readonly tenant: string;
  readonly states?: readonly string[] | undefined;
  readonly batch?: string | undefined;
  readonly pool?: string | undefined;
  /** `name=value`. */
  readonly labels?: readonly string[] | undefined;
  /** A part of the name, in any case. */
  readonly name?: string | undefined;
  /** Accepted at or after, and before; Unix ms. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Only those behind this one, newest first. */
  readonly after?: { readonly ms: number; readonly id: string } | undefined;
  readonly limit: number;
}

/** What a list tells of a job, and what it is chosen by. */
const LISTED = [
  'id',
  'tenant',
  'name',
  'type',
  'pool',
  'batch_id',
  'labels',
  'trace_id',
  'accepted_ms',
  'state',
  'attempt',
  'node',
  'exit_code',
  'cause',
  'started_ms',
  'ended_ms',
  'run_ms',
] as const;

export type ListedJob = Pick<JobRow, (typeof LISTED)[number]>;

export const LISTED_COLUMNS = sql.join(LISTED.map((name) => sql.ref(name)));

/** A label that one in twenty has is met often enough among so many jobs. */
const LOOKED_AT_FIRST = 2000;
/** A label that more jobs have is found on the way through the list. */
const FEW = 2000;

/** Jobs by the time they were accepted, newest first. */
export async function listJobs(db: Kysely<Database>, filter: JobFilter): Promise<WindowPage<ListedJob>> {
  const { after, limit, labels = [], batch, tenant } = filter;
  const query = { ...conditionsOf(filter), ...LIST, after, limit };
  if (labels.length > 0 && batch === undefined) {
    const labelled = sql<SqlBool>`labels @> ${labels.map(pgText)}::text[] AND tenant = ${tenant}`;
    const page =
      (await fullPageWithin<ListedJob>(db, query, LOOKED_AT_FIRST)) ??
      // The index of labels finds them wherever they are, when they are few.
      (await readAmong<ListedJob>(db, query, { among: labelled, most: FEW }));
    if (page !== undefined) return page;
  }
  return await readWindow<ListedJob>(db, query);
}

const LIST = {
  table: 'jobs',
  columns: LISTED_COLUMNS,
  order: { ms: 'accepted_ms', id: 'id', idType: 'text' },
} as const;

type Conditions = Pick<WindowQuery, 'indexed' | 'parts' | 'guard' | 'rest'>;

/**
 * A batch, and each state, has an index in the order of the list. A batch is of one tenant: named beside it, the tenant
 * would only lead the planner to the index of all its jobs.
 */
function conditionsOf({ tenant, states, batch, pool, labels = [], name, from, to }: JobFilter): Conditions {
  const indexed: RawBuilder<SqlBool>[] = [];
  const rest: RawBuilder<SqlBool>[] = [];
  if (from !== undefined) indexed.push(sql`accepted_ms >= ${from}::double precision`);
  if (to !== undefined) indexed.push(sql`accepted_ms < ${to}::double precision`);
  if (pool !== undefined) rest.push(sql`pool = ${pool}`);
  if (labels.length > 0) rest.push(sql`labels @> ${labels.map(pgText)}::text[]`);
  if (name !== undefined) rest.push(sql`strpos(lower(name), lower(${name})) > 0`);
  const ofStates = states && sql<SqlBool>`state = ANY(${states}::text[])`;
  if (batch !== undefined) {
    indexed.push(sql`batch_id = ${batch}`);
    return { indexed, rest: [...rest, ...(ofStates ? [ofStates] : [])], guard: sql`tenant = ${tenant}` };
  }
  indexed.push(sql`tenant = ${tenant}`);
  // With more to look at, the states' lists together would be longer than the list of all.
  if (states?.length === 1 || (states !== undefined && rest.length === 0)) {
    return { indexed, rest, parts: [...new Set(states)].map((state) => sql`state = ${state}`) };
  }
  return { indexed, rest: [...rest, ...(ofStates ? [ofStates] : [])] };
}
