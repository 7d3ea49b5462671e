import type { Kysely, Selectable } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { ArtifactsTable, Database } from '../db/schema.ts';
import { refuseOlder, type Writer } from './attempt-data.ts';

export type ArtifactRow = Selectable<ArtifactsTable>;

/** Stores an artifact over one of the same path. @throws HttpProblem 409 when a newer attempt has the job */
export async function putArtifact(db: Kysely<Database>, writer: Writer, row: ArtifactRow): Promise<void> {
  const { attempt_id: _, path: __, ...value } = row;
  await withRetry(() =>
    db.transaction().execute(async (trx) => {
      await refuseOlder(trx, writer);
      await trx
        .insertInto('artifacts')
        .values(row)
        .onConflict((conflict) => conflict.columns(['attempt_id', 'path']).doUpdateSet(value))
        .execute();
    }),
  );
}

/** What an attempt left, without the bytes. */
export async function listArtifacts(
  db: Kysely<Database>,
  attemptId: string,
): Promise<Omit<ArtifactRow, 'data'>[]> {
  return await db
    .selectFrom('artifacts')
    .select(['attempt_id', 'path', 'job_id', 'attempt', 'bytes', 'sha256', 'content_type', 'created_ms'])
    .where('attempt_id', '=', attemptId)
    .orderBy('path')
    .execute();
}

export async function getArtifact(
  db: Kysely<Database>,
  attemptId: string,
  path: string,
): Promise<ArtifactRow | undefined> {
  return await db
    .selectFrom('artifacts')
    .selectAll()
    .where('attempt_id', '=', attemptId)
    .where('path', '=', path)
    .executeTakeFirst();
}
