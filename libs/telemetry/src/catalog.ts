/** A metric of the fleet, by which it is documented and made. Its name carries `cronium_` in front. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly service: 'producer' | 'worker' | 'results' | 'every service';
  readonly help: string;
  /** Each label, and what values it takes. Every set of values is bounded. */
  readonly labels?: Readonly<Record<string, string>>;
}

const POOL = 'the pool; past 100 pools `other`';
const METHOD = 'the HTTP method';
const STATUS = 'the HTTP status';

/** Every metric of the fleet's own. One that does not stand here cannot be made. */
export const CATALOG = {
  scrape_failures_total: {
    type: 'counter',
    service: 'every service',
    help: 'Values that could not be read for a scrape, and are missing in it.',
    labels: { metric: 'the metric’s name' },
  },

  producer_jobs_accepted_total: {
    type: 'counter',
    service: 'producer',
    help: 'Jobs that were put into the queue.',
    labels: { source: '`single`, `batch` or `schedule`' },
  },
  producer_jobs_rejected_total: {
    type: 'counter',
    service: 'producer',
    help: 'Jobs of batches that were not valid.',
  },
  producer_requests_total: {
    type: 'counter',
    service: 'producer',
    help: 'Requests by method and status.',
    labels: { method: METHOD, status: STATUS },
  },
  producer_request_seconds: {
    type: 'histogram',
    service: 'producer',
    help: 'How long requests took.',
    labels: { method: METHOD },
  },
  producer_uploads: { type: 'gauge', service: 'producer', help: 'Batches that are being read.' },
  queue_jobs: {
    type: 'gauge',
    service: 'producer',
    help: 'Jobs in the queues of a pool. Every producer tells the same.',
    labels: { pool: POOL, state: '`waiting`, `delayed` or `active`' },
  },
  queue_oldest_seconds: {
    type: 'gauge',
    service: 'producer',
    help: 'How long the oldest waiting job of a pool has waited; 0 when none waits. Every producer tells the same.',
    labels: { pool: POOL },
  },
  pool_paused: {
    type: 'gauge',
    service: 'producer',
    help: '1 while a pool is paused. Every producer tells the same.',
    labels: { pool: POOL },
  },

  claims_total: {
    type: 'counter',
    service: 'worker',
    help: 'Jobs taken from the queue.',
    labels: { pool: POOL },
  },
  queue_wait_seconds: {
    type: 'histogram',
    service: 'worker',
    help: 'From when a job might run to its claim.',
    labels: { pool: POOL },
  },
  lost_attempts_total: {
    type: 'counter',
    service: 'worker',
    help: 'Attempts found lost with their node.',
  },
  starts_total: {
    type: 'counter',
    service: 'worker',
    help: 'Job containers that were started.',
    labels: { kind: '`warm`: the container stood ready before the job came; `cold`: it was made for it' },
  },
  attempts_total: {
    type: 'counter',
    service: 'worker',
    help: 'Attempts that ended.',
    labels: { state: 'the attempt’s end state', cause: 'the death record’s cause, or `none`' },
  },
  attempt_phase_seconds: {
    type: 'histogram',
    service: 'worker',
    help: 'How long the phases of attempts took.',
    labels: { phase: '`prepare`, or the name of a phase’s span (see tracing.md)' },
  },
  slots: { type: 'gauge', service: 'worker', help: 'Jobs that this node runs at once.' },
  slots_busy: { type: 'gauge', service: 'worker', help: 'Slots that are taken.' },
  ready: { type: 'gauge', service: 'worker', help: '1 while this node takes jobs.' },
  attempts_unreported: {
    type: 'gauge',
    service: 'worker',
    help: 'Ended attempts whose log or outcome is on its way.',
  },
  jobs_in_doubt: {
    type: 'gauge',
    service: 'worker',
    help: 'Jobs held still because their lock could not be renewed.',
  },
  reconciliations_total: {
    type: 'counter',
    service: 'worker',
    help: 'Comparisons of what stands in Docker with what this node works on.',
  },
  reconciled_total: {
    type: 'counter',
    service: 'worker',
    help: 'Objects in Docker that no attempt owned, and that were removed.',
    labels: { kind: '`container`, `network` or `volume`' },
  },
  updates_pending: { type: 'gauge', service: 'worker', help: 'Attempts with something untold.' },
  updates_set_aside: {
    type: 'gauge',
    service: 'worker',
    help: 'Attempts whose update alone results refuses or fails at; each is tried again every 30 s.',
  },
  logs_set_aside: {
    type: 'gauge',
    service: 'worker',
    help: 'Attempts whose next chunk of the log alone results fails at; each is tried again every 30 s.',
  },
  log_bytes_total: {
    type: 'counter',
    service: 'worker',
    help: 'Compressed log bytes that results has acknowledged.',
  },
  log_pending_bytes: {
    type: 'gauge',
    service: 'worker',
    help: 'Compressed log bytes that results has not acknowledged.',
  },
  log_lag_seconds: {
    type: 'gauge',
    service: 'worker',
    help: 'Age of the oldest log line on its way that results has not acknowledged; 0 when there is none.',
  },
  docker_calls_total: {
    type: 'counter',
    service: 'worker',
    help: 'Calls of the Docker daemon.',
    labels: {
      call: 'what is done to what, such as `containers.start`',
      result: '`ok`, the daemon’s error status, `timeout`, `away` or `aborted`',
    },
  },
  docker_call_seconds: {
    type: 'histogram',
    service: 'worker',
    help: 'How long the daemon took to answer.',
    labels: { call: 'what is done to what, such as `containers.start`' },
  },
  disk_free_bytes: {
    type: 'gauge',
    service: 'worker',
    help: 'Free space for the worker’s state. Docker’s own disk is for the host’s exporter to watch.',
  },
  disk_size_bytes: {
    type: 'gauge',
    service: 'worker',
    help: 'The size of the disk with the worker’s state.',
  },

  results_requests_total: {
    type: 'counter',
    service: 'results',
    help: 'Requests by method and status.',
    labels: { method: METHOD, status: STATUS },
  },
  results_request_seconds: {
    type: 'histogram',
    service: 'results',
    help: 'How long requests took until their answer began.',
    labels: { method: METHOD },
  },
  events_waiting: {
    type: 'gauge',
    service: 'results',
    help: 'Events of producers that are not stored yet. Every results process tells the same.',
  },
  events_lag_seconds: {
    type: 'gauge',
    service: 'results',
    help: 'Age of the oldest event that is not stored yet; 0 when there is none. Every results process tells the same.',
  },
  attempt_updates_total: {
    type: 'counter',
    service: 'results',
    help: 'What workers told of attempts.',
    labels: { result: '`stored`, `stale` or `ended`' },
  },
  log_stored_bytes_total: {
    type: 'counter',
    service: 'results',
    help: 'Compressed log bytes that were received and are stored.',
  },
  log_stored_lines_total: {
    type: 'counter',
    service: 'results',
    help: 'Log lines that were received and are stored.',
  },
  log_store_lag_seconds: {
    type: 'histogram',
    service: 'results',
    help: 'From when a chunk’s first line was written to when the chunk was stored.',
  },
  results_payloads_missing_total: {
    type: 'counter',
    service: 'results',
    help: 'Accepted jobs whose payload was gone when their event was read; a worker’s report brings it.',
  },
  results_jobs_requeued_total: {
    type: 'counter',
    service: 'results',
    help: 'Accepted jobs that the queue had forgotten and that were put back.',
  },
  results_live_readers: {
    type: 'gauge',
    service: 'results',
    help: 'Readers that follow a log or a live feed.',
  },
  workers: {
    type: 'gauge',
    service: 'results',
    help: 'Nodes that ever reported. Every results process tells the same.',
    labels: { state: '`ready`, `not_ready`, `draining`, `stopped` or `gone`' },
  },
  pool_slots: {
    type: 'gauge',
    service: 'results',
    help: 'Slots of the nodes that serve a pool and are ready. Every results process tells the same.',
    labels: { pool: POOL },
  },
  pool_slots_busy: {
    type: 'gauge',
    service: 'results',
    help: 'Those of them that are taken.',
    labels: { pool: POOL },
  },
  database_bytes: { type: 'gauge', service: 'results', help: 'The size of the database.' },
  traces_exported_total: {
    type: 'counter',
    service: 'results',
    help: 'Traces of ended jobs that the collector took.',
  },
  trace_spans_exported_total: {
    type: 'counter',
    service: 'results',
    help: 'Spans that the collector took, those of submitters included.',
  },
  traces_dropped_total: {
    type: 'counter',
    service: 'results',
    help: 'Traces of ended jobs, and requests with spans of submitters, that were not sent to the collector.',
    labels: {
      reason: '`sampled`: by CRONIUM_TRACE_SAMPLE_RATIO; `away`: the collector was away for too long',
    },
  },
  traces_waiting: {
    type: 'gauge',
    service: 'results',
    help: 'Traces of ended jobs that wait for the collector. Every results process tells the same.',
  },
  webhook_tries_total: {
    type: 'counter',
    service: 'results',
    help: 'Tries to tell the webhooks of ended jobs.',
    labels: {
      result:
        '`delivered`, `status`: answered, but not with 2xx; `away`: no answer; `refused`: not a public address; `secret`: the secret is not there',
    },
  },
  webhooks_given_up_total: {
    type: 'counter',
    service: 'results',
    help: 'Webhooks of ended jobs that were never told: they answered 410, or no try of many did.',
  },
  webhooks_waiting: {
    type: 'gauge',
    service: 'results',
    help: 'Webhooks of ended jobs that are still to be told. Every results process tells the same.',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

type Catalog = typeof CATALOG;
export type MetricName = keyof Catalog;
export type NameOf<T extends MetricDefinition['type']> = {
  [N in MetricName]: Catalog[N]['type'] extends T ? N : never;
}[MetricName];
/** The label names of a metric. */
export type LabelsOf<N extends MetricName> = Catalog[N] extends { labels: infer L }
  ? keyof L & string
  : never;
