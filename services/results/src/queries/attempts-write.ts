import { type Kysely, sql } from 'kysely';
import type { AttemptsTable, Database, JobsTable } from '../db/schema.ts';
import { type AttemptFacts, endedMs, momentMs } from '../ingest/fold.ts';
import { byId } from './jobs-write.ts';

/** What the intake knows of a job, and of its attempts those that it asked for. */
export interface KnownJob
  extends Pick<JobsTable, 'id' | 'state' | 'attempt' | 'settled_attempt' | 'stay_ms'> {
  /** The transaction that last changed any of it. */
  readonly changed: string;
  readonly attempts: readonly AttemptFacts[];
}

/** What attempts change of a job. */
export type JobChange = Readonly<
  Pick<
    JobsTable,
    | 'id'
    | 'state'
    | 'attempt'
    | 'settled_attempt'
    | 'stay_ms'
    | 'node'
    | 'exit_code'
    | 'cause'
    | 'message'
    | 'next_run_ms'
    | 'started_ms'
    | 'ended_ms'
    | 'run_ms'
  >
>;

/** What the intake writes. */
export interface IntakeWrite {
  /** All jobs of which anything is written, by id, and of which change they were known. */
  readonly jobs: readonly { readonly id: string; readonly seen: string }[];
  readonly attempts: readonly AttemptFacts[];
  readonly changes: readonly JobChange[];
}

/** The jobs among these that are stored, with those of the attempts that are. */
export async function knownToIntake(
  db: Kysely<Database>,
  jobIds: readonly string[],
  attemptIds: readonly string[],
): Promise<KnownJob[]> {
  const { rows } = await sql<Omit<KnownJob, 'attempts'> & { attempts: AttemptsTable[] | null }>`
    SELECT * FROM intake_known(${jobIds}::text[], ${attemptIds}::text[])`.execute(db);
  return rows.map((row) => ({ ...row, attempts: (row.attempts ?? []).map(toFacts) }));
}

/**
 * Writes attempts over what was there, and their jobs, and tells live readers. One statement, all or nothing.
 * @throws a collision when one of the jobs was changed since it was read
 */
export async function putAttempts(
  db: Kysely<Database>,
  { jobs, attempts, changes }: IntakeWrite,
): Promise<void> {
  if (jobs.length === 0) return;
  const ids = jobs.map(({ id }) => id);
  const seen = jobs.map((job) => job.seen);
  const rows = JSON.stringify(attempts.map(toRow).sort(byId));
  await sql`SELECT intake_attempts(${ids}::text[], ${seen}::xid8[], ${rows}::json, ${JSON.stringify(changes)}::json)`.execute(
    db,
  );
}

/** A row as facts. Its JSON was written by {@link toRow}. */
export function toFacts(row: AttemptsTable): AttemptFacts {
  return {
    id: row.id,
    jobId: row.job_id,
    attempt: row.attempt,
    node: row.node,
    day: row.day,
    state: row.state as AttemptFacts['state'],
    timeline: JSON.parse(row.timeline),
    outcome: row.outcome === null ? null : JSON.parse(row.outcome),
    inferred: row.inferred,
    final: row.final,
    nextRunMs: row.next_run_ms,
    image: row.image === null ? null : JSON.parse(row.image),
  };
}

function toRow(facts: AttemptFacts): AttemptsTable {
  return {
    id: facts.id,
    job_id: facts.jobId,
    attempt: facts.attempt,
    node: facts.node,
    day: facts.day,
    state: facts.outcome?.state ?? facts.state,
    outcome: facts.outcome === null ? null : JSON.stringify(facts.outcome),
    inferred: facts.inferred,
    final: facts.final,
    next_run_ms: facts.nextRunMs,
    timeline: JSON.stringify(facts.timeline),
    image: facts.image === null ? null : JSON.stringify(facts.image),
    claimed_ms: momentMs(facts, 'claimed'),
    started_ms: momentMs(facts, 'main_started'),
    ended_ms: endedMs(facts),
  };
}
