import { attemptIdOf } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import { isAway, isCollision, withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import { type KnownJob, knownToIntake, putAttempts } from '../queries/attempts-write.ts';
import { insertJobs, lockJobs } from '../queries/jobs-write.ts';
import { putDeliveries } from '../queries/webhooks.ts';
import { Fold, type IngestUpdate, type Result } from './fold-updates.ts';
import { newJob } from './payload.ts';

/** Told, in the transaction, of jobs that end in it. */
export type OnEnded = (trx: Kysely<Database>, jobIds: readonly string[]) => Promise<void>;

/**
 * Stores what workers say of attempts: one transaction, idempotent, in any order. When this resolves it is on disk.
 *
 * As a rule nobody else writes of these jobs meanwhile: they are read without a lock, and the statement that writes sees
 * whether that was so. Where it was not, all is done again under locks.
 * @param onEnded told of the jobs that end by it, in its transaction
 * @returns an answer for each update, in their order
 */
export async function ingestAttempts(
  db: Kysely<Database>,
  updates: readonly IngestUpdate[],
  onEnded?: OnEnded,
): Promise<Result[]> {
  if (updates.length === 0) return [];
  try {
    const known = await knownToIntake(db, jobIdsOf(updates), idsOf(updates));
    if (missingFrom(known, updates).length === 0) return await store(db, known, { updates, onEnded });
  } catch (error) {
    if (!isCollision(error) && !isAway(error)) throw error;
  }
  return await withRetry(() =>
    db.transaction().execute(async (trx) => store(trx, await holdJobs(trx, updates), { updates, onEnded })),
  );
}

async function store(
  db: Kysely<Database>,
  known: readonly KnownJob[],
  { updates, onEnded }: { updates: readonly IngestUpdate[]; onEnded: OnEnded | undefined },
): Promise<Result[]> {
  const fold = new Fold(known);
  const results = updates.map((update) => fold.apply(update));
  const ended = fold.endedJobs();
  const told = withWebhook(updates, ended);
  if (ended.length > 0 && (onEnded !== undefined || told.length > 0)) {
    await within(db, async (trx) => {
      await putAttempts(trx, fold.written());
      await onEnded?.(trx, ended);
      await putDeliveries(trx, told);
    });
  } else await putAttempts(db, fold.written());
  return results;
}

/** In the transaction that there is, or in a new one. */
async function within(db: Kysely<Database>, work: (trx: Kysely<Database>) => Promise<void>): Promise<void> {
  if (db.isTransaction) await work(db);
  else await db.transaction().execute(work);
}

/** What is stored of the updates' jobs, locked. Those that are not known are inserted. */
async function holdJobs(trx: Kysely<Database>, updates: readonly IngestUpdate[]): Promise<KnownJob[]> {
  const ids = jobIdsOf(updates);
  await lockJobs(trx, ids);
  const known = await knownToIntake(trx, ids, idsOf(updates));
  const missing = missingFrom(known, updates);
  if (missing.length === 0) return known;
  await insertJobs(trx, uniqueById(missing.map(({ jobId, payload }) => newJob(jobId, payload))));
  await lockJobs(trx, jobIdsOf(missing));
  return [...known, ...(await knownToIntake(trx, jobIdsOf(missing), idsOf(missing)))];
}

function missingFrom(known: readonly KnownJob[], updates: readonly IngestUpdate[]): IngestUpdate[] {
  const ids = new Set(known.map(({ id }) => id));
  return updates.filter(({ jobId }) => !ids.has(jobId));
}

/** Those of the jobs that have a webhook. Most have none, and cost nothing. */
function withWebhook(updates: readonly IngestUpdate[], jobIds: readonly string[]): string[] {
  const ids = new Set(
    updates.flatMap(({ jobId, payload }) => (payload.spec.webhook === undefined ? [] : [jobId])),
  );
  return jobIds.filter((id) => ids.has(id));
}

function jobIdsOf(updates: readonly IngestUpdate[]): string[] {
  return [...new Set(updates.map(({ jobId }) => jobId))].sort();
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
