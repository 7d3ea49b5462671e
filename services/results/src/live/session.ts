import { attemptIdOf, type LiveMessage, type LiveSubscription, type LogExtent } from '@cronium/contracts';
import { withRetry } from '../db/retry.ts';
import type { Deps } from '../deps.ts';
import { batchNumbers, getBatch } from '../queries/batches-read.ts';
import { ownLogPositions } from '../queries/jobs-read.ts';
import { activitySince, changedJobs, horizon, type Watch } from '../queries/live.ts';
import { knownNodes } from '../queue/nodes.ts';
import { toBatchView } from '../routes/batches.ts';
import { toExtent, toSummary } from '../routes/views.ts';
import { toWorker } from '../routes/workers.ts';

const PAGE = 500;

/** One client's subscription: tells what changed, each state at least once, the latest last. */
export class LiveSession {
  readonly #deps: Deps;
  readonly #subscription: LiveSubscription;
  readonly #watch: Watch;
  #cursor: string;
  /** What was told of jobs behind the cursor: it need not be told again. */
  #told = new Map<string, string>();
  #workers = '';
  #activity = '';
  readonly #logs = new Map<string, string>();

  constructor(deps: Deps, tenant: string, subscription: LiveSubscription) {
    const { jobs, batches, cursor } = subscription;
    this.#deps = deps;
    this.#subscription = subscription;
    this.#watch = { tenant, all: jobs === true, jobs: jobs === true ? [] : jobs, batches };
    this.#cursor = cursor ?? '0';
  }

  /** Does someone read a log along? */
  get followsLogs(): boolean {
    return this.#subscription.logs.length > 0;
  }

  /** Could a change of these jobs concern it? An empty list: of any. */
  concerns(jobIds: readonly string[]): boolean {
    const { all, jobs, batches } = this.#watch;
    const { activity, logs } = this.#subscription;
    if (jobIds.length === 0 || all || activity || batches.length > 0) return true;
    return jobIds.some((id) => jobs.includes(id) || logs.some(({ job }) => job === id));
  }

  /**
   * Tells all that changed since the last time. One who watches everything and brings no cursor is told of what changes
   * from now on.
   */
  async *news(): AsyncGenerator<LiveMessage> {
    const next = await withRetry(() => horizon(this.#deps.db));
    if (this.#cursor === '0' && (this.#watch.all || this.#subscription.activity)) this.#cursor = next;
    const touched = new Set<string>();
    yield* this.#jobNews(next, touched);
    const numbers = await batchNumbers(this.#deps.db, [...touched]);
    for (const id of touched) {
      const row = await getBatch(this.#deps.db, this.#watch.tenant, id);
      if (row) yield { type: 'batch', batch: toBatchView(row, numbers.get(id)) };
    }
    yield* this.#logNews();
    if (this.#subscription.workers) yield* this.#workerNews();
    if (this.#subscription.activity) yield* this.#activityNews();
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

  async *#logNews(): AsyncGenerator<LiveMessage> {
    const { logs } = this.#subscription;
    if (logs.length === 0) return;
    const ids = logs.map(({ job, attempt }) => attemptIdOf(job, attempt));
    const { db } = this.#deps;
    const positions = await withRetry(() => ownLogPositions(db, this.#watch.tenant, ids));
    for (const { job, attempt } of logs) {
      const id = attemptIdOf(job, attempt);
      const row = positions.get(id);
      const log: LogExtent = { job, attempt, ...toExtent(row) };
      const shape = JSON.stringify(log);
      if (row === undefined || this.#logs.get(id) === shape) continue;
      this.#logs.set(id, shape);
      yield { type: 'log', log };
    }
  }

  async *#activityNews(): AsyncGenerator<LiveMessage> {
    const activity = await withRetry(() => activitySince(this.#deps.db, this.#watch.tenant, this.#cursor));
    if (activity === '' || activity === this.#activity) return;
    this.#activity = activity;
    yield { type: 'activity' };
  }
}
