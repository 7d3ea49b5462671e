import { attemptIdOf, type JobState } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import { readAttempts, writeAttempts } from '../queries/attempts-write.ts';
import { byId, insertJobs, lockJobs, updateJobs } from '../queries/jobs-write.ts';
import { notify } from '../queries/notify.ts';
import { putDeliveries } from '../queries/webhooks.ts';
import { Fold, type IngestUpdate, type Result } from './fold-updates.ts';
import { newJob } from './payload.ts';

/** Told, in the transaction, of jobs that end in it. */
export type OnEnded = (trx: Kysely<Database>, jobIds: readonly string[]) => Promise<void>;

/**
 * Stores what workers say of attempts: one transaction, idempotent, in any order. When this resolves it is on disk.
 * @param onEnded told of the jobs that end by it, in its transaction
 * @returns an answer for each update, in their order
 */
export async function ingestAttempts(
  db: Kysely<Database>,
  updates: readonly IngestUpdate[],
  onEnded?: OnEnded,
): Promise<Result[]> {
  if (updates.length === 0) return [];
  return await withRetry(() => db.transaction().execute((trx) => store(trx, updates, onEnded)));
}

async function store(
  trx: Kysely<Database>,
  updates: readonly IngestUpdate[],
  onEnded: OnEnded | undefined,
): Promise<Result[]> {
  const jobs = await holdJobs(trx, updates);
  const known = await readAttempts(trx, idsOf(updates));
  const fold = new Fold(known);
  for (const row of jobs) {
    const state = row.state as JobState;
    fold.jobs.set(row.id, {
      state,
      attempt: row.attempt,
      settledAttempt: row.settled_attempt,
      stayMs: row.stay_ms,
    });
  }
  const results = updates.map((update) => fold.apply(update));
  await writeAttempts(trx, [...fold.changedAttempts()]);
  await updateJobs(trx, fold.changedJobs().sort(byId));
  const ended = fold.endedJobs();
  await onEnded?.(trx, ended);
  await putDeliveries(trx, withWebhook(updates, ended));
  await notify(trx, [...fold.touched]);
  return results;
}

/** The rows of the updates' jobs, locked. Nearly all are known by then: only those that are not are inserted. */
async function holdJobs(trx: Kysely<Database>, updates: readonly IngestUpdate[]) {
  const jobs = await lockJobs(trx, [...new Set(updates.map(({ jobId }) => jobId))]);
  const known = new Set(jobs.map(({ id }) => id));
  const missing = updates.filter(({ jobId }) => !known.has(jobId));
  if (missing.length === 0) return jobs;
  await insertJobs(trx, uniqueById(missing.map(({ jobId, payload }) => newJob(jobId, payload))));
  return [...jobs, ...(await lockJobs(trx, [...new Set(missing.map(({ jobId }) => jobId))]))];
}

/** Those of the jobs that have a webhook. Most have none, and cost nothing. */
function withWebhook(updates: readonly IngestUpdate[], jobIds: readonly string[]): string[] {
  const ids = new Set(
    updates.flatMap(({ jobId, payload }) => (payload.spec.webhook === undefined ? [] : [jobId])),
  );
  return jobIds.filter((id) => ids.has(id));
}

function idsOf(updates: readonly IngestUpdate[]): string[] {
  return updates.flatMap(({ attemptId, jobId, lostAttempts }) => [
    attemptId,
    ...lostAttempts.map((attempt) => attemptIdOf(jobId, attempt)),
  ]);
}

function uniqueById<T extends { readonly id: string }>(items: readonly T[]): T[] {
  return [...new Map(items.map((item) => [item.id, item])).values()];
}
