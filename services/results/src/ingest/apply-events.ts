import type { FleetEvent } from '@cronium/contracts';
import type { Kysely } from 'kysely';
import { withRetry } from '../db/retry.ts';
import type { Database } from '../db/schema.ts';
import type { FlowRunner } from '../flows/flow-runner.ts';
import { insertAudit } from '../queries/audit.ts';
import { holdBatches, upsertBatch } from '../queries/batches-write.ts';
import { insertJobs, knownJobs, markRetried } from '../queries/jobs-write.ts';
import { notify } from '../queries/notify.ts';
import type { Queues } from '../queue/queues.ts';
import type { Canceller } from './cancel.ts';
import { type NewJob, newJob, readPayload } from './payload.ts';

/** What {@link EventApplier} writes to and reads from. */
export interface ApplierDeps {
  readonly db: Kysely<Database>;
  readonly queues: Queues;
  readonly canceller: Canceller;
  readonly flows: Pick<FlowRunner, 'accept' | 'cancel'>;
  /** Told of accepted jobs whose payload is neither here nor in the queue any more: a worker's report may bring it. */
  onMissing?(jobIds: readonly string[]): void;
}

type Event<T extends FleetEvent['type']> = Extract<FleetEvent, { type: T }>;

/** Jobs of one insert. */
const JOBS_EACH = 2000;

/** Writes fleet events. Each may come more than once and out of order; when `apply` resolves they are on disk. */
export class EventApplier {
  readonly #deps: ApplierDeps;

  constructor(deps: ApplierDeps) {
    this.#deps = deps;
  }

  async apply(events: readonly FleetEvent[]): Promise<void> {
    await this.#accept(events.filter((event) => event.type === 'accepted'));
    const entries = events.flatMap((event) => (event.type === 'audit' ? [event.entry] : []));
    await withRetry(() => insertAudit(this.#deps.db, entries));
    for (const event of events) await this.#one(event);
  }

  async #one(event: FleetEvent): Promise<void> {
    switch (event.type) {
      case 'accepted':
      case 'audit':
        return; // Stored together with the others of its kind.
      case 'batch':
        return this.#batch(event);
      case 'cancel':
        return this.#deps.canceller.cancelJob(event);
      case 'cancel-batch':
        return this.#deps.canceller.cancelBatch(event);
      case 'retried':
        return this.#retried(event);
      case 'flow':
        return this.#deps.flows.accept(event.flowId);
      case 'cancel-flow':
        return this.#deps.flows.cancel(event.flowId, { ...event, atMs: event.at });
      default:
        event satisfies never;
    }
  }

  async #accept(events: readonly Event<'accepted'>[]): Promise<void> {
    const byQueue = new Map<string, string[]>();
    for (const { queue, jobs } of events) byQueue.set(queue, [...(byQueue.get(queue) ?? []), ...jobs]);
    for (const [queue, ids] of byQueue) {
      for (let at = 0; at < ids.length; at += JOBS_EACH) {
        await this.#acceptSome(queue, ids.slice(at, at + JOBS_EACH));
      }
    }
  }

  async #acceptSome(queue: string, ids: readonly string[]): Promise<void> {
    const { db, queues, canceller } = this.#deps;
    const payloads = await queues.payloads(queue, ids);
    const jobs = ids.flatMap((id) => jobOf(id, payloads.get(id)) ?? []);
    const doomed = await withRetry(() => db.transaction().execute((trx) => storeAccepted(trx, jobs)));
    for (const { batchId, by, atMs } of doomed) {
      const own = jobs.filter((job) => job.batch_id === batchId).map(({ id }) => id);
      await canceller.cancelJobs(own, { by, reason: 'its batch was cancelled', atMs });
    }
    const missing = ids.filter((id) => !payloads.has(id));
    if (missing.length === 0) return;
    const known = await knownJobs(db, missing);
    const unknown = missing.filter((id) => !known.has(id));
    if (unknown.length > 0) this.#deps.onMissing?.(unknown);
  }

  async #batch(event: Event<'batch'>): Promise<void> {
    await withRetry(() => upsertBatch(this.#deps.db, event));
  }

  /** The payload in the queue says how many attempts were made before; without it the worker's reports tell all. */
  async #retried({ queue, jobId }: Event<'retried'>): Promise<void> {
    const text = (await this.#deps.queues.payloads(queue, [jobId])).get(jobId);
    const payload = text === undefined ? undefined : readPayload(text);
    if (payload === undefined) return;
    await withRetry(() =>
      this.#deps.db.transaction().execute(async (trx) => {
        await insertJobs(trx, [newJob(jobId, payload)]);
        if (await markRetried(trx, jobId, payload)) {
          await notify(trx, [jobId]);
        }
      }),
    );
  }
}

function jobOf(id: string, text: string | undefined): NewJob | undefined {
  const payload = text === undefined ? undefined : readPayload(text);
  return payload === undefined ? undefined : newJob(id, payload);
}

/** Stores jobs; returns which of their batches are cancelled already. */
async function storeAccepted(trx: Kysely<Database>, jobs: readonly NewJob[]) {
  const batches = new Map<string, { id: string; tenant: string; createdMs: number }>();
  for (const { batch_id, tenant, accepted_ms } of jobs) {
    if (batch_id !== null) batches.set(batch_id, { id: batch_id, tenant, createdMs: accepted_ms });
  }
  // Holding the batches keeps a cancel of one from passing between its look for jobs and this insert.
  const held = await holdBatches(trx, [...batches.values()]);
  await insertJobs(trx, jobs);
  await notify(
    trx,
    jobs.map(({ id }) => id),
  );
  return held.flatMap(({ id, cancelled_by, cancelled_ms }) =>
    cancelled_by === null ? [] : [{ batchId: id, by: cancelled_by, atMs: cancelled_ms ?? 0 }],
  );
}
