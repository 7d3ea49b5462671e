import type { ColumnType, Generated } from 'kysely';

/** Times are Unix milliseconds with fractions; JSON of users is text, which keeps what jsonb refuses (NUL, lone surrogates). */
export interface JobsTable {
  id: string;
  tenant: string;
  name: string;
  type: string;
  pool: string;
  batch_id: string | null;
  line: number;
  /** `name=value`. */
  labels: string[];
  /** JSON of the queue payload. */
  payload: string;
  trace_id: string;
  received_ms: number;
  accepted_ms: number;
  state: string;
  /** The newest attempt that is known; the fencing epoch. */
  attempt: number;
  /** Attempts up to this one no longer drive the job's state: a person retried it after them. */
  settled_attempt: number;
  /** When the job came into the queue for the stay that is known last; a person's retry is another stay. */
  stay_ms: number;
  node: string | null;
  exit_code: number | null;
  cause: string | null;
  message: string | null;
  next_run_ms: number | null;
  started_ms: number | null;
  ended_ms: number | null;
  run_ms: number | null;
  /** JSON of a {@link WebhookTarget}; null for a job without webhook. */
  webhook: string | null;
  /** The transaction that last changed the row; live readers resume by it. */
  changed: Generated<string>;
}

export interface AttemptsTable {
  id: string;
  job_id: string;
  attempt: number;
  node: string;
  day: string;
  state: string;
  /** JSON of the outcome. */
  outcome: string | null;
  /** The outcome was concluded from a newer claim and not reported by the node itself. */
  inferred: boolean;
  final: boolean;
  next_run_ms: number | null;
  timeline: string;
  image: string | null;
  claimed_ms: number | null;
  started_ms: number | null;
  ended_ms: number | null;
}

/** What a running job tells of itself through its sidecar. */
export interface AttemptDataTable {
  attempt_id: string;
  job_id: string;
  attempt: number;
  output: string | null;
  output_bytes: number;
  condition: boolean | null;
  percent: number | null;
  message: string | null;
}

export interface BatchesTable {
  id: string;
  tenant: string;
  name: string | null;
  accepted: number;
  rejected: number;
  complete: boolean;
  created_ms: number;
  event_ms: number;
  cancelled_by: string | null;
  cancelled_ms: number | null;
}

/** How far an attempt's log is stored. */
export interface AttemptLogsTable {
  attempt_id: string;
  /** When its first chunks came: their daily table. */
  day: string;
  /** Those of the chunks that came later, in order; a chunk is under the newest day that was known when it came. */
  later_days: readonly string[];
  next_chunk: number;
  next_seq: number;
  stdout_end: number;
  stderr_end: number;
  omitted_bytes: number;
  complete: boolean;
}

export interface LogChunksTable {
  day: string;
  attempt_id: string;
  chunk: number;
  first_seq: number;
  records: number;
  last: boolean;
  time_ms: number;
  body: Buffer;
}

export interface SpansTable {
  day: string;
  trace_id: string;
  span_id: string;
  parent_span_id: string | null;
  job_id: string | null;
  attempt_id: string | null;
  tenant: string;
  name: string;
  service: string;
  kind: string;
  start_ms: number;
  end_ms: number | null;
  status: string;
  attributes: string;
  events: string;
}

/** OTLP log records, shown as events of their spans. */
export interface LogRecordsTable {
  day: string;
  id: string;
  tenant: string;
  trace_id: string | null;
  span_id: string | null;
  job_id: string | null;
  attempt_id: string | null;
  time_ms: number;
  severity: string;
  body: string;
  attributes: string;
}

export interface VariablesTable {
  tenant: string;
  key: string;
  value: string;
  version: number;
  updated_ms: number;
}

/** The last version of a variable that is gone. */
export interface RemovedVariablesTable {
  tenant: string;
  key: string;
  version: number;
  at_ms: number;
}

/** What a job's write of a variable was answered, so that the same request again changes nothing. */
export interface VariableWritesTable {
  request: string;
  version: number;
  /** JSON; null when it is too long to be kept twice. */
  value: string | null;
  at_ms: number;
}

/** The script that runs before all jobs of a tenant. */
export interface PreTasksTable {
  tenant: string;
  source: string;
  updated_ms: number;
}

export interface SealedTable {
  tenant: string;
  kind: 'secret' | 'credential';
  name: string;
  key_id: string;
  nonce: Buffer;
  sealed: Buffer;
  created_ms: ColumnType<number, number, never>;
  updated_ms: number;
}

export interface ApiKeysTable {
  hash: string;
  tenant: string;
  name: string;
  role: 'admin' | 'submitter' | 'reader';
  created_ms: number;
}

export interface ArtifactsTable {
  attempt_id: string;
  path: string;
  job_id: string;
  attempt: number;
  bytes: number;
  sha256: string;
  content_type: string;
  created_ms: number;
  /** Null: the bytes are a file in the artifacts folder. */
  data: Buffer | null;
}

export interface AuditTable {
  id: Generated<number>;
  /** Given by who told it: told twice, it is stored once. */
  entry_id: string;
  from_address: string | null;
  at_ms: number;
  tenant: string;
  actor: string;
  action: string;
  target: string;
  detail: string | null;
}

/** Ended jobs whose traces are on their way to a collector. */
export interface TraceOutboxTable {
  job_id: string;
  since_ms: number;
  due_ms: number;
}

/** What a job's webhook is to be told of one end of the job, or was. */
export interface WebhookDeliveriesTable {
  id: string;
  job_id: string;
  /** The job as it ended: a retry by hand changes its row. */
  attempt: number;
  state: string;
  exit_code: number | null;
  cause: string | null;
  started_ms: number | null;
  ended_ms: number | null;
  /** JSON of a {@link WebhookTarget}. */
  webhook: string;
  /** Of its URL, with the port. */
  host: string;
  created_ms: number;
  /** When to try next; null when it is over. */
  due_ms: number | null;
  tries: number;
  last_error: string | null;
  delivered_ms: number | null;
}

export interface FlowsTable {
  id: string;
  tenant: string;
  name: string;
  /** JSON of the flow's record. */
  record: string;
  trace_id: string;
  state: string;
  created_ms: number;
  ended_ms: ColumnType<number | null, number | null | undefined, number | null>;
  cancelled_by: ColumnType<string | null, string | null | undefined, string | null>;
  cancelled_ms: ColumnType<number | null, number | null | undefined, number | null>;
}

export interface FlowStepsTable {
  flow_id: string;
  position: number;
  name: string;
  job_id: string;
  state: string;
  /** How its job ended, once the flow has noted it. */
  outcome: string | null;
  condition: boolean | null;
  /** Why it was left out. */
  reason: string | null;
}

export interface Database {
  jobs: JobsTable;
  attempts: AttemptsTable;
  attempt_data: AttemptDataTable;
  batches: BatchesTable;
  attempt_logs: AttemptLogsTable;
  log_chunks: LogChunksTable;
  spans: SpansTable;
  log_records: LogRecordsTable;
  variables: VariablesTable;
  variable_writes: VariableWritesTable;
  removed_variables: RemovedVariablesTable;
  pre_tasks: PreTasksTable;
  sealed: SealedTable;
  api_keys: ApiKeysTable;
  artifacts: ArtifactsTable;
  audit: AuditTable;
  trace_outbox: TraceOutboxTable;
  webhook_deliveries: WebhookDeliveriesTable;
  flows: FlowsTable;
  flow_steps: FlowStepsTable;
}
