import {
  type FieldError,
  type FleetEvent,
  type JobSpec,
  jobIdForLine,
  MAX_REJECTED_LISTED,
  type RejectedLine,
} from '@cronium/contracts';
import { retry } from '@cronium/lifecycle';
import { ValkeyFullError, ValkeyUnavailableError } from '../errors.ts';
import type { Limits } from '../limits.ts';
import { problems } from '../problems.ts';
import type { FleetQueues } from '../queue/queues.ts';
import type { Idempotency } from './idempotency.ts';
import { type NewJob, newJob, type Submission } from './new-job.ts';
import type { ReadLine } from './read-job.ts';

/** So many chunks are on their way to the queue while the next is read. */
const CHUNKS_IN_FLIGHT = 2;

/** The batch that is being written. */
export interface Batch {
  readonly batchId: string;
  readonly name: string | undefined;
  readonly submission: Submission;
  /** The audit log's event of the batch's submit. */
  readonly submitted: FleetEvent;
}

/** What a writer needs. */
export interface BatchWriterDeps {
  readonly queues: FleetQueues;
  readonly idempotency: Idempotency;
  readonly limits: Limits;
  readonly signal: AbortSignal;
}

/** How far a batch has come. Every job that is counted as accepted is in the queue and announced. */
export interface BatchProgress {
  readonly batchId: string;
  readonly accepted: number;
  readonly rejected: readonly RejectedLine[];
  readonly rejectedTotal: number;
}

/**
 * Writes the jobs of one batch into the queue in chunks. Memory holds at most {@link CHUNKS_IN_FLIGHT} chunks and the one that fills.
 * The batch exists for results from its first chunk on.
 */
export class BatchWriter {
  readonly #batch: Batch;
  readonly #deps: BatchWriterDeps;
  readonly #inFlight = new Set<Promise<void>>();
  readonly #rejected: RejectedLine[] = [];
  #rejectedTotal = 0;
  #accepted = 0;
  #chunk: NewJob[] = [];
  #chunkBytes = 0;
  #chunks = 0;
  #opened = false;
  #repeat = false;
  #failure: unknown;

  constructor(batch: Batch, deps: BatchWriterDeps) {
    this.#batch = batch;
    this.#deps = deps;
  }

  get progress(): BatchProgress {
    return {
      batchId: this.#batch.batchId,
      accepted: this.#accepted,
      rejected: this.#rejected,
      rejectedTotal: this.#rejectedTotal,
    };
  }

  /**
   * Takes a line: a good one is on its way to the queue with the next chunk, a bad one is noted.
   * @returns something to wait for before the next line, when a chunk is full
   */
  take(line: ReadLine): Promise<void> | undefined {
    if (!line.errors) return this.add(line);
    this.reject(line.line, line.errors);
    return undefined;
  }

  /** @throws HttpProblem 422 when there are more bad lines than a batch may have */
  reject(line: number, errors: readonly FieldError[]): void {
    const { rejectedLines } = this.#deps.limits;
    if (this.#rejectedTotal >= rejectedLines) throw problems.tooManyInvalid(rejectedLines, line);
    this.#rejectedTotal += 1;
    if (this.#rejected.length < MAX_REJECTED_LISTED) this.#rejected.push({ line, errors: [...errors] });
  }

  /**
   * @returns something to wait for before the next line, when a chunk is full; it rejects with what an earlier chunk
   * failed with
   */
  add({ line, spec, bytes }: { line: number; spec: JobSpec; bytes: number }): Promise<void> | undefined {
    const { batchId, submission } = this.#batch;
    this.#chunk.push(newJob(spec, { id: jobIdForLine(batchId, line), submission, batch: { batchId, line } }));
    this.#chunkBytes += bytes;
    const { chunkJobs, chunkBytes } = this.#deps.limits;
    const isFull = this.#chunk.length >= chunkJobs || this.#chunkBytes >= chunkBytes;
    return isFull ? this.#send() : undefined;
  }

  /** Waits until all that was taken is in the queue. */
  async flush(): Promise<void> {
    await this.#send();
    await this.settle();
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits for the chunks that are on their way, whatever becomes of them. */
  async settle(): Promise<void> {
    await Promise.all(this.#inFlight);
  }

  /** Tells results the batch's totals; nothing more will come. A batch without a job does not exist. */
  async complete(): Promise<void> {
    if (this.#opened) await this.#announce(true);
  }

  async #send(): Promise<void> {
    if (this.#chunk.length > 0) {
      const chunk = this.#chunk;
      this.#chunk = [];
      this.#chunkBytes = 0;
      if (!this.#opened) await this.#open();
      while (this.#inFlight.size >= CHUNKS_IN_FLIGHT) await Promise.race(this.#inFlight);
      if (this.#failure === undefined) this.#start(chunk);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #start(chunk: readonly NewJob[]): void {
    const number = this.#chunks;
    this.#chunks += 1;
    const writing = this.#write(chunk, number)
      .catch((error) => {
        this.#failure ??= error;
      })
      .finally(() => this.#inFlight.delete(writing));
    this.#inFlight.add(writing);
  }

  /** Job ids follow from the lines, so a chunk may be sent again after a failure. */
  async #write(chunk: readonly NewJob[], number: number): Promise<void> {
    const { batchId, submission } = this.#batch;
    if (submission.keyed) {
      // A version that cuts into others notes them under other names: what it noted says nothing of this one.
      const name = `${this.#deps.limits.chunkJobs}:${number}`;
      await this.#deps.idempotency.claimChunk(batchId, { chunk: name, jobs: chunk });
    }
    const jobs = this.#repeat ? await this.#withoutCancelled(chunk) : chunk;
    if (jobs.length > 0) {
      await retry(() => this.#deps.queues.add(jobs), {
        signal: this.#deps.signal,
        attempts: 3,
        when: (error) => error instanceof ValkeyUnavailableError || error instanceof ValkeyFullError,
      });
    }
    this.#accepted += chunk.length;
  }

  async #withoutCancelled(chunk: readonly NewJob[]): Promise<readonly NewJob[]> {
    const ids = chunk.map(({ id }) => id);
    const cancelled = await this.#deps.idempotency.cancelled(ids, this.#batch.batchId);
    return chunk.filter(({ id }) => !cancelled.has(id));
  }

  async #open(): Promise<void> {
    const { batchId, submission } = this.#batch;
    this.#repeat = await this.#deps.idempotency.claimBatch(batchId, submission.tenant);
    if (!this.#repeat) await this.#announce(false);
    this.#opened = true;
  }

  async #announce(complete: boolean): Promise<void> {
    const { batchId, name, submission, submitted } = this.#batch;
    const totals = complete
      ? { accepted: this.#accepted, rejected: this.#rejectedTotal }
      : { accepted: 0, rejected: 0 };
    await this.#deps.queues.announce([
      {
        type: 'batch',
        batchId,
        tenant: submission.tenant,
        ...(name !== undefined && { name }),
        ...totals,
        complete,
        at: Date.now(),
      },
      ...(complete ? [] : [submitted]),
    ]);
  }
}
