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
  const { rows } = await sql<GroupRow>`
    SELECT state, cause, exit_code, count(*) AS jobs,
      (array_agg(message ORDER BY ended_ms DESC, id))[1] AS message,
      (array_agg(id ORDER BY ended_ms DESC, id))[1:${sql.lit(EXAMPLES)}] AS ids,
      (array_agg(name ORDER BY ended_ms DESC, id))[1:${sql.lit(EXAMPLES)}] AS names
    FROM jobs WHERE batch_id = ${batchId} AND state IN ('failed', 'timed_out', 'lost', 'cancelled')
    GROUP BY state, cause, exit_code ORDER BY jobs DESC, state, cause LIMIT ${GROUPS}`.execute(db);
  return rows.map(({ state, cause, exit_code, jobs, message, ids, names }) => ({
    state: state as BatchFailures['groups'][number]['state'],
    cause,
    exitCode: exit_code,
    jobs,
    message,
    examples: ids.map((id, index) => ({ id, name: names[index] ?? id })),
  }));
}
