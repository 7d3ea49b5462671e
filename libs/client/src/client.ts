import type {
  AcceptedBatch,
  AcceptedJob,
  AccountsView,
  BatchResult,
  BatchView,
  DeathRecord,
  JobInput,
  JobPage,
  JobSummary,
  JobView,
  QueueCounts,
  ReconcileView,
  TraceView,
  WhyView,
  WorkersView,
} from '@cronium/contracts';
import { AuditClient } from './audit.ts';
import { ExploreClient } from './explore.ts';
import { FlowsClient } from './flows.ts';
import { type AttemptLogLine, type LogOptions, type OpenLog, readLog } from './logs.ts';
import { type BatchSource, batchBody, readChunks, readNdjson } from './ndjson.ts';
import { entriesOf } from './pages.ts';
import { queryOf } from './query.ts';
import { SchedulesClient } from './schedules.ts';
import { SettingsClient } from './settings.ts';
import { type Call, type ClientOptions, Transport } from './transport.ts';
import { batchEnded, jobEnded, type WaitOptions, waitUntil } from './wait.ts';

/** What every call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** How to submit. */
export interface SubmitOptions extends CallOptions {
  /** Sent again with the same key, the same job or batch is meant. It makes broken calls safe to repeat. */
  readonly idempotencyKey?: string;
  /** W3C trace context of the submitter; the job's trace continues it. */
  readonly traceparent?: string;
}

/** How to submit a batch. */
export interface SubmitBatchOptions extends SubmitOptions {
  readonly name?: string;
  /** All lines or none. */
  readonly atomic?: boolean;
}

/** Which jobs to list. All must hold. */
export interface JobFilter {
  readonly state?: string;
  readonly batch?: string;
  readonly pool?: string;
  /** `name=value`. */
  readonly label?: string;
  readonly name?: string;
  readonly from?: string;
  readonly to?: string;
}

/** How to list jobs. */
export interface ListOptions extends JobFilter, CallOptions {
  /** At most so many in all. */
  readonly limit?: number;
}

/** All jobs of the fleet are looked at. */
const ACCOUNTS_MS = 300_000;

type LogRequest = { readonly [K in keyof OpenLog]?: OpenLog[K] | undefined };

/** A client of one fleet. Safe for any number of calls at once. */
export class CroniumClient {
  readonly #transport: Transport;
  /** Sums, pages and ranges. */
  readonly explore: ExploreClient;
  /** Variables, secrets and API keys. */
  readonly settings: SettingsClient;
  readonly schedules: SchedulesClient;
  readonly flows: FlowsClient;
  readonly audit: AuditClient;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
    this.explore = new ExploreClient(this.#transport);
    this.settings = new SettingsClient(this.#transport);
    this.flows = new FlowsClient(this.#transport);
    this.schedules = new SchedulesClient(this.#transport);
    this.audit = new AuditClient(this.#transport);
  }

  /** Submits one job. @throws CroniumApiError 400 with the wrong fields, 429 or 503 when the fleet is overloaded */
  submit(job: JobInput, options: SubmitOptions = {}): Promise<AcceptedJob> {
    return this.#transport.json({
      service: 'producer',
      method: 'POST',
      path: '/v1/jobs',
      headers: { ...submitHeaders(options), 'content-type': 'application/json' },
      body: JSON.stringify(job),
      repeatable: options.idempotencyKey !== undefined,
      signal: options.signal,
    });
  }

  /** Submits many jobs in one request, streamed as NDJSON. Wrong lines are told in the answer; the others run. */
  submitBatch(source: BatchSource, options: SubmitBatchOptions = {}): Promise<AcceptedBatch> {
    const { body, repeatable } = batchBody(source);
    return this.#transport.json({
      service: 'producer',
      method: 'POST',
      path: `/v1/batches${queryOf({ name: options.name, atomic: options.atomic })}`,
      headers: { ...submitHeaders(options), 'content-type': 'application/x-ndjson' },
      body,
      repeatable: repeatable && options.idempotencyKey !== undefined,
      signal: options.signal,
      timeoutMs: Number.POSITIVE_INFINITY,
    });
  }

  /** Asks for a job's end. Repeating it changes nothing. @throws CroniumApiError 409 when the job has ended */
  cancel(id: string, options: CallOptions = {}): Promise<{ id: string; cancelling: true }> {
    return this.#post('producer', `/v1/jobs/${encode(id)}/cancel`, options, true);
  }

  /** Puts an ended job into the queue again. @throws CroniumApiError 409 when it has not ended */
  retry(id: string, options: CallOptions = {}): Promise<AcceptedJob> {
    return this.#post('producer', `/v1/jobs/${encode(id)}/retry`, options, false);
  }

  cancelBatch(id: string, options: CallOptions = {}): Promise<{ batchId: string; cancelling: true }> {
    return this.#post('producer', `/v1/batches/${encode(id)}/cancel`, options, true);
  }

  /** Puts the batch's jobs of one state (default `failed`) into the queue again. */
  retryBatch(
    id: string,
    options: CallOptions & { state?: string } = {},
  ): Promise<{ batchId: string; retried: number }> {
    const path = `/v1/batches/${encode(id)}/retry${queryOf({ state: options.state })}`;
    return this.#post('producer', path, options, false);
  }

  queues(options: CallOptions = {}): Promise<QueueCounts> {
    return this.#get('producer', '/v1/queues', options);
  }

  pauseQueue(pool: string, options: CallOptions = {}): Promise<{ pool: string; paused: boolean }> {
    return this.#post('producer', `/v1/queues/${encode(pool)}/pause`, options, true);
  }

  resumeQueue(pool: string, options: CallOptions = {}): Promise<{ pool: string; paused: boolean }> {
    return this.#post('producer', `/v1/queues/${encode(pool)}/resume`, options, true);
  }

  /** A job as it stands. @throws CroniumApiError 404 when no such job was accepted */
  job(id: string, options: CallOptions = {}): Promise<JobView> {
    return this.#get('results', `/v1/jobs/${encode(id)}`, options);
  }

  /** Jobs, newest first; pages are fetched as they are needed. */
  async *jobs(options: ListOptions = {}): AsyncGenerator<JobSummary> {
    const { signal, limit = Number.POSITIVE_INFINITY, ...filter } = options;
    yield* entriesOf(limit, async (page) => {
      const { jobs, cursor } = await this.jobPage({ ...filter, ...page }, signalOf({ signal }));
      return { entries: jobs, cursor };
    });
  }

  /** One page of jobs. */
  jobPage(
    filter: JobFilter & { limit?: number; cursor?: string | undefined } = {},
    options: CallOptions = {},
  ): Promise<JobPage> {
    return this.#get('results', `/v1/jobs${queryOf({ ...filter })}`, options);
  }

  /** A job's log lines. With `follow` it goes on to the end of the job, over broken connections and new attempts. */
  logs(id: string, options: LogOptions = {}): AsyncGenerator<AttemptLogLine> {
    return readLog(
      {
        open: (open) => this.#openLog(id, open, 'application/x-ndjson'),
        progress: async (signal) => this.job(id, { ...(signal && { signal }) }),
      },
      options,
    );
  }

  /** The bytes that a job wrote, of both streams as they came unless one is picked. */
  async *rawLogs(
    id: string,
    options: CallOptions & { attempt?: number; stream?: 'stdout' | 'stderr'; follow?: boolean } = {},
  ): AsyncGenerator<Uint8Array> {
    const { attempt, stream, follow = false, signal } = options;
    yield* readChunks(await this.#openLog(id, { attempt, stream, follow, signal }, 'text/plain'), { signal });
  }

  trace(id: string, options: CallOptions = {}): Promise<TraceView> {
    return this.#get('results', `/v1/jobs/${encode(id)}/trace`, options);
  }

  traceById(traceId: string, options: CallOptions = {}): Promise<TraceView> {
    return this.#get('results', `/v1/traces/${encode(traceId)}`, options);
  }

  /** What ended an attempt (default: the newest). @throws CroniumApiError 404 when it did not end unusually */
  death(id: string, options: CallOptions & { attempt?: number } = {}): Promise<DeathRecord> {
    return this.#get(
      'results',
      `/v1/jobs/${encode(id)}/death${queryOf({ attempt: options.attempt })}`,
      options,
    );
  }

  /** Why a job is where it is. */
  why(id: string, options: CallOptions = {}): Promise<WhyView> {
    return this.#get('results', `/v1/jobs/${encode(id)}/why`, options);
  }

  batch(id: string, options: CallOptions = {}): Promise<BatchView> {
    return this.#get('results', `/v1/batches/${encode(id)}`, options);
  }

  /** The ended jobs of a batch. */
  async *batchResults(id: string, options: CallOptions = {}): AsyncGenerator<BatchResult> {
    const stream = await this.#transport.stream({
      ...get('results', `/v1/batches/${encode(id)}/results`, options),
      headers: { accept: 'application/x-ndjson' },
    });
    yield* readNdjson<BatchResult>(readChunks(stream, options));
  }

  workers(options: CallOptions = {}): Promise<WorkersView> {
    return this.#get('results', '/v1/workers', options);
  }

  /** A drained node finishes what it runs and takes nothing new. */
  drain(node: string, options: CallOptions = {}): Promise<unknown> {
    return this.#post('results', `/v1/workers/${encode(node)}/drain`, options, true);
  }

  /** What in the node's Docker belongs to no attempt; it is removed unless `dryRun` is set. */
  reconcile(node: string, options: CallOptions & { readonly dryRun?: boolean } = {}): Promise<ReconcileView> {
    const query = options.dryRun ? '?dryRun=true' : '';
    return this.#post('results', `/v1/workers/${encode(node)}/reconcile${query}`, options, true);
  }

  resume(node: string, options: CallOptions = {}): Promise<unknown> {
    return this.#post('results', `/v1/workers/${encode(node)}/resume`, options, true);
  }

  /** Is every accepted job ended, waiting or running; what is wrong is named. For admins; takes a few seconds. */
  accounts(options: CallOptions = {}): Promise<AccountsView> {
    return this.#transport.json({ ...get('results', '/v1/accounts', options), timeoutMs: ACCOUNTS_MS });
  }

  /** Waits for a job's end. @throws CroniumWaitError when time is up */
  waitForJob(id: string, options: WaitOptions<JobView> = {}): Promise<JobView> {
    return waitUntil(() => this.job(id, signalOf(options)), jobEnded, { ...options, what: `job ${id}` });
  }

  /** Waits for the end of all jobs of a batch. @throws CroniumWaitError when time is up */
  waitForBatch(id: string, options: WaitOptions<BatchView> = {}): Promise<BatchView> {
    return waitUntil(() => this.batch(id, signalOf(options)), batchEnded, {
      ...options,
      what: `batch ${id}`,
    });
  }

  #openLog(id: string, open: LogRequest, accept: string): Promise<ReadableStream<Uint8Array>> {
    const { attempt, stream, follow, signal } = open;
    const after = open.after || undefined;
    const path = `/v1/jobs/${encode(id)}/logs${queryOf({ attempt, stream, after, follow: follow || undefined })}`;
    return this.#transport.stream({ ...get('results', path, signalOf({ signal })), headers: { accept } });
  }

  #get<T>(service: Call['service'], path: string, options: CallOptions): Promise<T> {
    return this.#transport.json(get(service, path, options));
  }

  #post<T>(service: Call['service'], path: string, { signal }: CallOptions, repeatable: boolean): Promise<T> {
    return this.#transport.json({ service, method: 'POST', path, repeatable, signal });
  }
}

function get(service: Call['service'], path: string, { signal }: CallOptions): Call {
  return { service, method: 'GET', path, repeatable: true, signal };
}

function signalOf({ signal }: { signal?: AbortSignal | undefined }): CallOptions {
  return signal === undefined ? {} : { signal };
}

function submitHeaders({ idempotencyKey, traceparent }: SubmitOptions): Record<string, string> {
  return {
    ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
    ...(traceparent !== undefined && { traceparent }),
  };
}

function encode(part: string): string {
  return encodeURIComponent(part);
}
