import { QUEUED_NAME, type QueueRecord, queueOptions, queuePayload } from '@cronium/contracts';
import type { Logger } from '@cronium/telemetry';
import type { Redis } from 'ioredis';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import type { Canceller } from '../ingest/cancel.ts';
import {
  historyOf,
  holdUnmoved,
  markQueued,
  type OpenJob,
  openAmong,
  openJobs,
} from '../queries/accounts.ts';
import { batchCancel } from '../queries/batches-write.ts';
import { notify } from '../queries/notify.ts';
import type { Queues } from '../queue/queues.ts';
import { missingFrom, recordOf } from './places.ts';

/** What {@link Keeper} works on. */
export interface KeeperOptions {
  readonly db: Kysely<Database>;
  readonly valkey: Redis;
  readonly queues: Queues;
  readonly canceller: Canceller;
  readonly log: Logger;
  /** How long a job must have been missing. Longer than any worker's lock, so that no container of it runs any more. */
  readonly graceMs: number;
  /** Told how many were queued again. */
  onRequeued?(count: number): void;
  /** Monotonic milliseconds. */
  now?(): number;
}

const PAGE = 1000;
/** Open jobs that one round looks at; the next round goes on behind them. */
const PAGES_EACH = 20;

/**
 * Finds accepted jobs that the queue has forgotten, as after a failover of Valkey to a replica that lacked the last writes,
 * and puts them back. A job counts as forgotten when it has not ended and its queue has had no data of it for the whole
 * grace: a worker takes a job out of the queue only after results has stored its end.
 */
export class Keeper {
  readonly #options: KeeperOptions;
  /** Jobs that were missed, and since when. */
  readonly #missed = new Map<string, { readonly job: OpenJob; readonly sinceMs: number }>();
  #after = '';

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Looks at the jobs that were missed before, and at the next part of all that are open. */
  async round(): Promise<void> {
    await this.#lookAgain();
    for (let page = 0; page < PAGES_EACH; page++) {
      const jobs = await openJobs(this.#options.db, { after: this.#after, limit: PAGE });
      await this.#lookAt(jobs);
      this.#after = jobs.at(-1)?.id ?? '';
      if (jobs.length < PAGE) {
        this.#after = '';
        return;
      }
    }
  }

  async #lookAt(jobs: readonly OpenJob[]): Promise<void> {
    for (const job of await missingFrom(this.#options.queues, jobs)) {
      if (!this.#missed.has(job.id)) this.#missed.set(job.id, { job, sinceMs: this.#now() });
    }
  }

  async #lookAgain(): Promise<void> {
    const { db, queues, graceMs } = this.#options;
    const open = await openAmong(db, [...this.#missed.keys()]);
    const missing = await missingFrom(queues, open);
    const stillMissed = new Map(missing.map((job) => [job.id, job]));
    for (const [id, { job, sinceMs }] of [...this.#missed]) {
      const now = stillMissed.get(id);
      const hasMoved = now?.attempt !== job.attempt || now.stay_ms !== job.stay_ms;
      if (now === undefined || hasMoved) this.#missed.delete(id);
      else if (this.#now() - sinceMs >= graceMs) await this.#putBack(now);
    }
  }

  /**
   * The row is locked while the job is put into the queue: a worker's report of its end and another results process wait,
   * and whoever comes second finds the job moved.
   */
  async #putBack(job: OpenJob): Promise<void> {
    const { db, canceller, log, onRequeued } = this.#options;
    this.#missed.delete(job.id);
    const done = await db.transaction().execute(async (trx) => {
      const held = await holdUnmoved(trx, job);
      if (held === undefined) return false;
      const payload = await this.#addAgain(trx, held);
      if (payload === undefined) return false;
      await markQueued(trx, held.id, payload);
      await notify(trx, [held.id]);
      return true;
    });
    if (!done) return;
    onRequeued?.(1);
    log.warn(
      { job: job.id, state: job.state, attempt: job.attempt },
      'the queue had forgotten an accepted job; it is queued again',
    );
    const wish = await batchCancel(db, job.id);
    if (wish) await canceller.cancelJobs([job.id], wish);
  }

  /** @returns the payload as it stands in the queue now, or `undefined` when it is there already or cannot be read */
  async #addAgain(trx: Kysely<Database>, job: OpenJob): Promise<string | undefined> {
    const { queues, log } = this.#options;
    if ((await missingFrom(queues, [job])).length === 0) return undefined;
    const parsed = queuePayload.safeParse(JSON.parse(job.payload));
    if (!parsed.success) {
      log.error(
        { job: job.id, err: parsed.error },
        'a forgotten job cannot be queued again: its payload is of another version',
      );
      return undefined;
    }
    const history = await historyOf(trx, job.id);
    const payload = {
      ...parsed.data,
      attemptBase: Math.max(parsed.data.attemptBase, job.attempt),
      postponed: 0,
      // Attempts since the last one that was reported count as lost with the claim that comes.
      history: history ?? { reported: parsed.data.attemptBase, failures: 0, losses: 0 },
    };
    const { name, pool, requires } = recordOf(job);
    await this.#register(name, { pool, requires });
    const options = queueOptions(payload, { kept: true, at: Date.now() });
    await queues.queue(name).add(QUEUED_NAME, payload, { jobId: job.id, ...options });
    return JSON.stringify(payload);
  }

  /** The record of the queue may be forgotten too. */
  async #register(name: string, record: QueueRecord): Promise<void> {
    const { valkey, queues } = this.#options;
    await valkey.hsetnx(queues.keys.queues, name, JSON.stringify(record));
    await valkey.publish(queues.keys.queuesChanged, name);
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }
}
