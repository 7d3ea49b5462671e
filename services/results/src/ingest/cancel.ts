import {
  BATCH_CANCELLED,
  CANCEL_KEPT_SECONDS,
  type CancelRequest,
  type ControlMessage,
  type FleetEvent,
} from '@cronium/contracts';
import { deadline, pause, waitFor } from '@cronium/lifecycle';
import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import { cancelBatch, openJobsOfBatch, unendedBatches } from '../queries/batches-write.ts';
import { insertJobs, markCancelled, queuedAmong } from '../queries/jobs-write.ts';
import { notify } from '../queries/notify.ts';
import { putDeliveries } from '../queries/webhooks.ts';
import type { Queues } from '../queue/queues.ts';
import { replies } from '../queue/replies.ts';
import type { OnEnded } from './attempts.ts';
import { newJob, readPayload } from './payload.ts';

/** Who wants jobs to end, why, and since when. */
export interface Wish {
  readonly by: string;
  readonly reason?: string | undefined;
  readonly atMs: number;
}

/** What {@link Canceller} works on. */
export interface CancellerDeps {
  readonly db: Kysely<Database>;
  readonly valkey: Redis;
  readonly queues: Queues;
  readonly onEnded?: OnEnded | undefined;
}

const JOBS_EACH = 500;
/** What a former process, or another one that has died, left undone is looked for this often. */
const LOOK_EVERY_MS = 60_000;
const AGAIN_MS = 1000;
/** Jobs that are taken out of the queue at the same time. */
const AT_ONCE = 50;

/**
 * Ends jobs that wait in the queue, and tells the workers of those that run. Doing it again changes nothing: a job that
 * ended stays as it ended.
 */
export class Canceller {
  readonly #deps: CancellerDeps;
  /** Cancelled batches whose jobs have not been gone through yet. */
  readonly #batches = new Map<string, Wish>();
  #noted = Promise.withResolvers<void>();

  constructor(deps: CancellerDeps) {
    this.#deps = deps;
  }

  async cancelJob(event: Extract<FleetEvent, { type: 'cancel' }>): Promise<void> {
    await this.#learn(event.jobId);
    await this.#endWaiting([event.jobId], { by: event.by, reason: event.reason, atMs: event.at });
  }

  /**
   * Notes durably that a batch is cancelled; its jobs end in the background. There may be a hundred thousand of them, and
   * other events must not wait for that.
   */
  async cancelBatch({
    batchId,
    tenant,
    by,
    at,
  }: Extract<FleetEvent, { type: 'cancel-batch' }>): Promise<void> {
    await withRetry(() => cancelBatch(this.#deps.db, { id: batchId, tenant, by, atMs: at }));
    this.#batches.set(batchId, { by, reason: BATCH_CANCELLED, atMs: at });
    this.#noted.resolve();
  }

  /** Ends the jobs of cancelled batches until the signal aborts, also of those that a former process left. Never rejects. */
  async run(signal: AbortSignal, onError: (error: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      this.#noted = Promise.withResolvers();
      try {
        await this.#findLeft();
        await this.endBatches();
        using limit = deadline(LOOK_EVERY_MS, 'no batch was cancelled', signal);
        await waitFor(this.#noted.promise, limit).catch(() => undefined);
      } catch (error) {
        onError(error);
        await pause(AGAIN_MS, signal).catch(() => undefined);
      }
    }
  }

  /** Ends the jobs of all batches that were noted. */
  async endBatches(): Promise<void> {
    for (const [batchId, wish] of this.#batches) {
      await this.#endBatch(batchId, wish);
      this.#batches.delete(batchId);
    }
  }

  async #findLeft(): Promise<void> {
    for (const { id, by, atMs } of await unendedBatches(this.#deps.db)) {
      this.#batches.set(id, { by, reason: BATCH_CANCELLED, atMs });
    }
  }

  async #endBatch(batchId: string, wish: Wish): Promise<void> {
    let after = '';
    for (;;) {
      const ids = await openJobsOfBatch(this.#deps.db, batchId, { after, limit: JOBS_EACH });
      await this.cancelJobs(ids, wish);
      const last = ids.at(-1);
      if (last === undefined || ids.length < JOBS_EACH) return;
      after = last;
    }
  }

  /** Cancels jobs that are known, in whatever state. */
  async cancelJobs(ids: readonly string[], wish: Wish): Promise<void> {
    for (let at = 0; at < ids.length; at += JOBS_EACH) {
      const some = ids.slice(at, at + JOBS_EACH);
      await this.#tellWorkers(some, wish);
      await this.#endWaiting(some, wish);
    }
  }

  /** Its accepted event may still be on its way in another process: the row must stand before the queue forgets the job. */
  async #learn(jobId: string): Promise<void> {
    const { db, queues } = this.#deps;
    const known = await db.selectFrom('jobs').select('id').where('id', '=', jobId).executeTakeFirst();
    if (known !== undefined) return;
    const payload = readPayload((await queues.find(jobId))?.payload ?? '');
    if (payload !== undefined) await withRetry(() => insertJobs(db, [newJob(jobId, payload)]));
  }

  async #tellWorkers(ids: readonly string[], { by, reason, atMs }: Wish): Promise<void> {
    const { valkey, queues } = this.#deps;
    const request: CancelRequest = reason === undefined ? { by, at: atMs } : { by, reason, at: atMs };
    const pipeline = valkey.pipeline();
    for (const jobId of ids) {
      const message: ControlMessage = { type: 'cancel', jobId };
      pipeline.set(queues.keys.cancel(jobId), JSON.stringify(request), 'EX', CANCEL_KEPT_SECONDS);
      pipeline.publish(queues.keys.control, JSON.stringify(message));
    }
    replies(await pipeline.exec());
  }

  /**
   * A job that a worker holds is left to the worker, and so is one whose worker fell silent: it waits in the queue again, and
   * the worker that takes it ends it. For one that the queue no longer has, the row decides: a worker reports an end before
   * it leaves the queue, so a row that still waits was never run to its end.
   */
  async #endWaiting(ids: readonly string[], wish: Wish): Promise<void> {
    const { db, queues, onEnded } = this.#deps;
    const waiting = await queuedAmong(db, ids);
    const free: string[] = [];
    for (let at = 0; at < waiting.length; at += AT_ONCE) {
      const some = waiting.slice(at, at + AT_ONCE);
      const places = await Promise.all(some.map((id) => queues.removeWaiting(id)));
      free.push(...some.filter((_, index) => places[index] !== 'active'));
    }
    if (free.length === 0) return;
    await withRetry(() =>
      db.transaction().execute(async (trx) => {
        const ended = await markCancelled(trx, free, wish);
        await onEnded?.(trx, ended);
        await putDeliveries(trx, ended);
        await notify(trx, ended);
      }),
    );
  }
}
