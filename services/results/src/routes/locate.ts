import { JOB_ID } from '@cronium/contracts';
import type { Deps } from '../deps.ts';
import { problems } from '../http/problems.ts';
import { newJob, readPayload } from '../ingest/payload.ts';
import { getJob, type JobRow } from '../queries/jobs-read.ts';

/**
 * Finds a job that a producer has accepted, wherever it is: in the database, or still only in the queue, or just gone
 * from there into the database.
 * @throws HttpProblem 404
 */
export async function locateJob(
  { db, queues }: Pick<Deps, 'db' | 'queues'>,
  tenant: string,
  id: string,
): Promise<JobRow> {
  const missing = problems.notFound(`job ${id.slice(0, 100)}`);
  if (!JOB_ID.test(id)) throw missing;
  const job = (await getJob(db, id)) ?? (await fromQueue(queues, id)) ?? (await getJob(db, id));
  // Another tenant's job is not told apart from none.
  if (job === undefined || job.tenant !== tenant) throw missing;
  return job;
}

async function fromQueue(queues: Deps['queues'], id: string): Promise<JobRow | undefined> {
  const queued = await queues.find(id);
  const payload = queued && readPayload(queued.payload);
  return payload && waitingRow(newJob(id, payload));
}

/** The row that ingestion will write for a job that waits. */
function waitingRow(job: ReturnType<typeof newJob>): JobRow {
  return {
    ...job,
    labels: [...job.labels],
    attempt: 0,
    settled_attempt: 0,
    node: null,
    exit_code: null,
    cause: null,
    message: null,
    next_run_ms: null,
    started_ms: null,
    ended_ms: null,
    run_ms: null,
  };
}
