import { type Kysely, sql } from 'kysely';
import { names, recordset } from '../db/bulk.ts';
import type { AttemptsTable, Database } from '../db/schema.ts';
import { type AttemptFacts, endedMs, momentMs } from '../ingest/fold.ts';
import { byId } from './jobs-write.ts';

const COLUMNS = {
  id: 'text',
  job_id: 'text',
  attempt: 'integer',
  node: 'text',
  day: 'date',
  state: 'text',
  outcome: 'text',
  inferred: 'boolean',
  final: 'boolean',
  next_run_ms: 'double precision',
  timeline: 'text',
  image: 'text',
  claimed_ms: 'double precision',
  started_ms: 'double precision',
  ended_ms: 'double precision',
} as const;

/** The known facts of some attempts, by id. The caller holds the locks of their jobs. */
export async function readAttempts(
  db: Kysely<Database>,
  ids: readonly string[],
): Promise<Map<string, AttemptFacts>> {
  const rows = await db
    .selectFrom('attempts')
    .selectAll()
    .where('id', '=', sql<string>`ANY(${ids}::text[])`)
    .execute();
  return new Map(rows.map((row) => [row.id, toFacts(row)]));
}

/** Writes attempts over what was there. */
export async function writeAttempts(db: Kysely<Database>, attempts: readonly AttemptFacts[]): Promise<void> {
  if (attempts.length === 0) return;
  const rows = attempts.map(toRow).sort(byId);
  const set = sql.raw(
    Object.keys(COLUMNS)
      .map((name) => `${name} = excluded.${name}`)
      .join(', '),
  );
  await sql`INSERT INTO attempts (${names(COLUMNS)}) SELECT ${names(COLUMNS)} FROM ${recordset(COLUMNS, rows)}
    ON CONFLICT (id) DO UPDATE SET ${set}`.execute(db);
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
