import { BATCH_ID, type BatchView, JOB_ID, type JobSummary, type WorkersView } from '@cronium/contracts';
import { z } from 'zod';
import { withRetry } from '../db/retry.ts';
import type { Deps } from '../deps.ts';
import { batchNumbers, getBatch } from '../queries/batches-read.ts';
import { changedJobs, horizon, type Watch } from '../queries/live.ts';
import { knownNodes } from '../queue/nodes.ts';
import { toBatchView } from '../routes/batches.ts';
import { toSummary } from '../routes/views.ts';
import { toWorker } from '../routes/workers.ts';

/** What a client sends; a later message replaces an earlier one. */
export const subscribeMessage = z.strictObject({
  type: z.literal('subscribe'),
  /** Ids, or true for all of the tenant. */
  jobs: z.union([z.literal(true), z.array(z.string().regex(JOB_ID)).max(1000)]).default([]),
  batches: z.array(z.string().regex(BATCH_ID)).max(100).default([]),
  workers: z.boolean().default(false),
  /** The cursor of the last message that was handled: what changed since comes again. */
  cursor: z
    .string()
    .regex(/^\d{1,19}$/)
    .optional(),
});
export type Subscription = z.infer<typeof subscribeMessage>;

/** What a client gets. `cursor` of the last one is where it resumes. */
export type LiveMessage =
  | { readonly type: 'job'; readonly job: JobSummary }
  | { readonly type: 'batch'; readonly batch: BatchView }
  | { readonly type: 'workers'; readonly workers: WorkersView['workers'] }
  | { readonly type: 'cursor'; readonly cursor: string }
  | { readonly type: 'error'; readonly message: string };

const PAGE = 500;

/** One client's subscription: tells what changed, each state at least once, the latest last. */
export class LiveSession {
  readonly #deps: Deps;
  readonly #subscription: Subscription;
  readonly #watch: Watch;
  #cursor: string;
  /** What was told of jobs behind the cursor: it need not be told again. */
  #told = new Map<string, string>();
  #workers = '';

  constructor(deps: Deps, tenant: string, subscription: Subscription) {
    const { jobs, batches, cursor } = subscription;
    this.#deps = deps;
    this.#subscription = subscription;
    this.#watch = { tenant, all: jobs === true, jobs: jobs === true ? [] : jobs, batches };
    this.#cursor = cursor ?? '0';
  }

  /** Could a change of these jobs concern it? An empty list: of any. */
  concerns(jobIds: readonly string[]): boolean {
    const { all, jobs, batches } = this.#watch;
    return jobIds.length === 0 || all || batches.length > 0 || jobIds.some((id) => jobs.includes(id));
  }

  /**
   * Tells all that changed since the last time. One who watches everything and brings no cursor is told of what changes
   * from now on.
   */
  async *news(): AsyncGenerator<LiveMessage> {
    const next = await withRetry(() => horizon(this.#deps.db));
    if (this.#cursor === '0' && this.#watch.all) this.#cursor = next;
    const touched = new Set<string>();
    yield* this.#jobNews(next, touched);
    for (const id of touched) {
      const row = await getBatch(this.#deps.db, this.#watch.tenant, id);
      if (row) yield { type: 'batch', batch: toBatchView(row, await batchNumbers(this.#deps.db, id)) };
    }
    if (this.#subscription.workers) yield* this.#workerNews();
    this.#cursor = next;
    yield { type: 'cursor', cursor: next };
  }

  async *#jobNews(next: string, touched: Set<string>): AsyncGenerator<LiveMessage> {
    const told = new Map<string, string>();
    const since = this.#cursor;
    let after: { changed: string; id: string } | undefined;
    for (;;) {
      const page = await withRetry(() =>
        changedJobs(this.#deps.db, this.#watch, { since, after, limit: PAGE }),
      );
      for (const job of page) {
        if (BigInt(job.changed) >= BigInt(next)) told.set(job.id, job.changed);
        if (this.#told.get(job.id) === job.changed) continue;
        if (job.batch_id !== null && this.#watch.batches.includes(job.batch_id)) touched.add(job.batch_id);
        yield { type: 'job', job: toSummary(job) };
      }
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) break;
      after = { changed: last.changed, id: last.id };
    }
    this.#told = told;
  }

  async *#workerNews(): AsyncGenerator<LiveMessage> {
    const workers = (await knownNodes(this.#deps.valkey, this.#deps.keys)).map(toWorker);
    // Heartbeats alone are no news.
    const shape = JSON.stringify(workers.map(({ lastSeenAt: _, ...rest }) => rest));
    if (shape === this.#workers) return;
    this.#workers = shape;
    yield { type: 'workers', workers };
  }
}
