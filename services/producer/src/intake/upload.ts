import { HttpProblem } from '@cronium/http';
import type { Logger } from '@cronium/telemetry';
import { problemFor, UploadCutOffError } from '../errors.ts';
import { requestBatchCancel } from '../queue/cancel.ts';
import { type Batch, type BatchProgress, BatchWriter, type BatchWriterDeps } from './batch-writer.ts';
import type { ReadLine } from './read-job.ts';
import { Spool } from './spool.ts';

/** The jobs of a batch, as they come: some at a time, each read when it is asked for. */
export type JobSource = AsyncIterable<Iterable<ReadLine>>;

/** What an upload needs. */
export interface UploadDeps extends BatchWriterDeps {
  readonly log: Logger;
}

/**
 * Takes a batch as it comes: good jobs are in the queue while later lines are still on their way.
 * @throws HttpProblem with how far the batch had come; what was accepted stays accepted
 */
export async function takeBatch(source: JobSource, batch: Batch, deps: UploadDeps): Promise<BatchProgress> {
  const writer = new BatchWriter(batch, deps);
  try {
    for await (const lines of source) {
      for (const line of lines) {
        const sending = writer.take(line);
        if (sending) await sending;
      }
    }
    await writer.flush();
    refuseEmpty(writer.progress);
    await writer.complete();
    return writer.progress;
  } catch (error) {
    await closeBroken(writer, { batch, deps, error, atomic: false });
    throw withProgress(error, writer.progress);
  }
}

/**
 * Takes all jobs of a batch or none: the first pass checks them, the second one puts them into the queue.
 * When Valkey fails in the second pass, what is in the queue by then is cancelled, or with an Idempotency-Key waits for the
 * rest to be sent again.
 * @throws HttpProblem 422 with the bad lines; then nothing was accepted
 */
export async function takeAtomicBatch(
  source: JobSource,
  batch: Batch,
  deps: UploadDeps,
): Promise<BatchProgress> {
  await using spool = await Spool.create(deps.limits.spoolBytes);
  const writer = new BatchWriter(batch, deps);
  for await (const lines of source) {
    for (const line of lines) {
      if (line.errors) writer.reject(line.line, line.errors);
      else if (writer.progress.rejectedTotal === 0) await spool.write(line);
    }
  }
  if (writer.progress.rejectedTotal > 0) throw nothingAccepted(writer.progress);
  try {
    for await (const line of spool.read()) await writer.add(line);
    await writer.flush();
    refuseEmpty(writer.progress);
    await writer.complete();
    return writer.progress;
  } catch (error) {
    await closeBroken(writer, { batch, deps, error, atomic: true });
    throw withProgress(error, writer.progress);
  }
}

function refuseEmpty(progress: BatchProgress): void {
  if (progress.accepted > 0) return;
  if (progress.rejectedTotal > 0) throw nothingAccepted(progress);
  throw new HttpProblem({
    slug: 'empty',
    status: 400,
    title: 'The batch has no jobs',
    detail: 'Send one job a line, or { "jobs": [...] }.',
  });
}

function nothingAccepted({ rejected, rejectedTotal }: BatchProgress): HttpProblem {
  const first = rejected[0];
  const why = first?.errors[0];
  return new HttpProblem({
    slug: 'invalid-batch',
    status: 422,
    title: 'No job of the batch was accepted',
    detail: `${rejectedTotal} jobs are not valid, the first one at line ${first?.line}: ${why?.path ? `${why.path}: ` : ''}${why?.message}.`,
    members: { accepted: 0, rejected, rejectedTotal },
  });
}

/**
 * Ends a batch that broke off, unless the client can send the rest under its Idempotency-Key: its jobs stay and results
 * learns the totals; those of an atomic batch are cancelled.
 */
async function closeBroken(
  writer: BatchWriter,
  { batch, deps, error, atomic }: { batch: Batch; deps: UploadDeps; error: unknown; atomic: boolean },
): Promise<void> {
  await writer.settle();
  const { batchId, accepted } = writer.progress;
  if (accepted === 0) return;
  const why = error instanceof UploadCutOffError ? { reason: error.message } : { err: error };
  deps.log.warn({ ...why, batchId, accepted }, 'a batch broke off');
  const { keyed, tenant } = batch.submission;
  if (keyed) return;
  try {
    await writer.complete();
    if (atomic) await requestBatchCancel(deps.queues, batchId, { by: { name: 'the producer', tenant } });
  } catch (failure) {
    deps.log.warn(
      { err: failure, batchId },
      'results could not be told of the end of a batch that broke off',
    );
  }
}

function withProgress(error: unknown, progress: BatchProgress): unknown {
  if (progress.accepted === 0) return error;
  const problem = problemFor(error);
  return problem?.with({ ...progress }) ?? error;
}
