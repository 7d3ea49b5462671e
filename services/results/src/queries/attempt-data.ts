import { type Kysely, sql } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import { problems } from '../http/problems.ts';
import { notify } from './notify.ts';

/** The attempt that writes. */
export interface Writer {
  readonly executionId: string;
  readonly jobId: string;
  readonly attempt: number;
}

/** What an attempt may tell of itself; what is absent stays as it is. */
export interface AttemptTelling {
  /** JSON. */
  readonly output?: string;
  readonly condition?: boolean;
  readonly percent?: number | null;
  readonly message?: string | null;
}

/** Stores what an attempt tells. @throws HttpProblem 409 when a newer attempt has the job */
export async function tellOfAttempt(
  db: Kysely<Database>,
  writer: Writer,
  telling: AttemptTelling,
): Promise<void> {
  const { output, ...rest } = telling;
  const set = {
    ...rest,
    ...(output === undefined ? {} : { output, output_bytes: Buffer.byteLength(output) }),
  };
  await withRetry(() =>
    db.transaction().execute(async (trx) => {
      await refuseOlder(trx, writer);
      await trx
        .insertInto('attempt_data')
        .values({
          output: null,
          output_bytes: 0,
          condition: null,
          percent: null,
          message: null,
          ...set,
          attempt_id: writer.executionId,
          job_id: writer.jobId,
          attempt: writer.attempt,
        })
        .onConflict((conflict) =>
          conflict.column('attempt_id').doUpdateSet({ attempt: writer.attempt, ...set }),
        )
        .execute();
      await sql`UPDATE jobs SET changed = pg_current_xact_id() WHERE id = ${writer.jobId}`.execute(trx);
      await notify(trx, [writer.jobId]);
    }),
  );
}

/** The fence: an older attempt changes nothing. The job's row is held until the transaction ends. */
export async function refuseOlder(db: Kysely<Database>, { jobId, attempt }: Writer): Promise<void> {
  const job = await db
    .selectFrom('jobs')
    .select('attempt')
    .where('id', '=', jobId)
    .forUpdate()
    .executeTakeFirst();
  if (job !== undefined && job.attempt > attempt) {
    throw problems.conflict(
      `Attempt ${job.attempt} has taken job ${jobId} over; attempt ${attempt} may not write.`,
    );
  }
}
