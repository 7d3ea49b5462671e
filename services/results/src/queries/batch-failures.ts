import type { BatchFailures } from '@cronium/contracts';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

interface GroupRow {
  readonly state: string;
  readonly cause: string | null;
  readonly exit_code: number | null;
  readonly jobs: number;
  readonly message: string | null;
  readonly ids: string[];
  readonly names: string[];
}

const EXAMPLES = 5;
const GROUPS = 100;

/** The jobs of a batch that did not succeed, by what ended them. */
export async function failuresOfBatch(
  db: Kysely<Database>,
  batchId: string,
): Promise<BatchFailures['groups']> {
  const failed = sql`j.batch_id = ${batchId} AND j.state IN ('failed', 'timed_out', 'lost', 'cancelled')`;
  const { rows } = await sql<GroupRow>`
    SELECT g.*, e.message, e.ids, e.names FROM (
      SELECT state, cause, exit_code, count(*) AS jobs FROM jobs j WHERE ${failed}
      GROUP BY state, cause, exit_code ORDER BY jobs DESC, state, cause LIMIT ${GROUPS}
    ) g, LATERAL (
      SELECT (array_agg(message))[1] AS message, array_agg(id) AS ids, array_agg(name) AS names FROM (
        SELECT id, name, message FROM jobs j WHERE ${failed} AND j.state = g.state
          AND coalesce(j.cause, '') = coalesce(g.cause, '') AND coalesce(j.exit_code, -1) = coalesce(g.exit_code, -1)
        ORDER BY ended_ms DESC, id LIMIT ${EXAMPLES}
      ) newest
    ) e ORDER BY g.jobs DESC, g.state, g.cause`.execute(db);
  return rows.map(({ state, cause, exit_code, jobs, message, ids, names }) => ({
    state: state as BatchFailures['groups'][number]['state'],
    cause,
    exitCode: exit_code,
    jobs,
    message,
    examples: ids.map((id, index) => ({ id, name: names[index] ?? id })),
  }));
}
