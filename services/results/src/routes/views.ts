import type { AttemptView, JobSummary, JobView, TimelineMoment } from '@cronium/contracts';
import type { AttemptDataTable, AttemptLogsTable, WebhookDeliveriesTable } from '../db/schema.ts';
import { type AttemptFacts, momentMs } from '../ingest/fold.ts';
import { readPayload } from '../ingest/payload.ts';
import { toFacts } from '../queries/attempts-write.ts';
import type { ListedJob } from '../queries/jobs-list.ts';
import type { AttemptRow, JobRow } from '../queries/jobs-read.ts';

/** A time as the API shows it. */
export function isoTime(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}

export function toSummary(row: ListedJob): JobSummary {
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    state: row.state as JobSummary['state'],
    pool: row.pool,
    batchId: row.batch_id,
    labels: Object.fromEntries(row.labels.map(splitLabel)),
    attempts: row.attempt,
    exitCode: row.exit_code,
    cause: row.cause,
    node: row.node,
    traceId: row.trace_id,
    acceptedAt: isoTime(row.accepted_ms),
    startedAt: isoTime(row.started_ms),
    endedAt: isoTime(row.ended_ms),
    runMs: row.run_ms,
  };
}

/** A label's name has no `=`. */
export function splitLabel(label: string): [string, string] {
  const at = label.indexOf('=');
  return [label.slice(0, at), label.slice(at + 1)];
}

/** What is known of a job, for its view. */
export interface JobParts {
  readonly job: JobRow;
  readonly attempts: readonly AttemptRow[];
  readonly logs: ReadonlyMap<string, AttemptLogsTable>;
  readonly data: AttemptDataTable | undefined;
  /** What its webhook was told last. */
  readonly delivery: WebhookDeliveriesTable | undefined;
}

export function toView({ job, attempts, logs, data, delivery }: JobParts): JobView {
  const newest = attempts.find(({ attempt }) => attempt === job.attempt);
  const previous = attempts.findLast(({ attempt }) => attempt < job.attempt);
  const hasProgress = data !== undefined && (data.percent !== null || data.message !== null);
  return {
    ...toSummary(job),
    spec: readPayload(job.payload)?.spec ?? {},
    output: data === undefined || data.output === null ? null : JSON.parse(data.output),
    condition: data?.condition ?? null,
    progress: hasProgress ? { percent: data.percent, message: data.message } : null,
    ...(delivery && { webhook: toWebhookView(delivery) }),
    attemptList: attempts.map((attempt) => toAttemptView(attempt, logs.get(attempt.id))),
    timings: newest === undefined ? {} : timingsOf(job, toFacts(newest), previous?.ended_ms ?? null),
  };
}

function toWebhookView({
  tries,
  due_ms,
  last_error,
  delivered_ms,
}: WebhookDeliveriesTable): NonNullable<JobView['webhook']> {
  const over = delivered_ms === null ? 'failed' : 'delivered';
  return {
    state: due_ms === null ? over : 'waiting',
    tries,
    ...(last_error !== null && { lastError: last_error }),
    ...(delivered_ms !== null && { deliveredAt: new Date(delivered_ms).toISOString() }),
  };
}

function toAttemptView(row: AttemptRow, log: AttemptLogsTable | undefined): AttemptView {
  const { outcome, timeline } = toFacts(row);
  return {
    attempt: row.attempt,
    id: row.id,
    node: row.node,
    state: row.state as AttemptView['state'],
    exitCode: outcome?.exitCode ?? null,
    cause: outcome?.death?.cause ?? null,
    message: outcome?.death?.message ?? null,
    startedAt: isoTime(row.claimed_ms),
    endedAt: isoTime(row.ended_ms),
    timeline: timeline.map(({ moment, at, attributes }) =>
      attributes === undefined ? { moment, at } : { moment, at, attributes },
    ),
    log: toExtent(log),
  };
}

/** How far a log is stored, as the API shows it. */
export function toExtent(log: AttemptLogsTable | undefined): AttemptView['log'] {
  return {
    lines: (log?.next_seq ?? 1) - 1,
    bytes: log === undefined ? 0 : log.stdout_end + log.stderr_end - log.omitted_bytes,
    omittedBytes: log?.omitted_bytes ?? 0,
    complete: log?.complete ?? false,
  };
}

/** Milliseconds by phase of an attempt; a phase that did not happen, or is not over, is left out. */
function timingsOf(job: JobRow, newest: AttemptFacts, previousEnd: number | null): Record<string, number> {
  const at = (moment: TimelineMoment) => momentMs(newest, moment);
  const phases: [string, number | null, number | null][] = [
    ['queued', previousEnd ?? job.accepted_ms, at('claimed')],
    ['prepare', at('claimed'), at('start_ended')],
    ['tenantPreTask', at('tenant_pre_task_started'), at('tenant_pre_task_ended')],
    ['setup', at('setup_started'), at('setup_ended')],
    ['preTask', at('pre_task_started'), at('pre_task_ended')],
    ['run', at('main_started'), at('main_ended')],
    ['drain', at('drain_started'), at('drain_ended')],
    ['teardown', at('teardown_started'), at('teardown_ended')],
    ['total', job.received_ms, job.ended_ms],
  ];
  return Object.fromEntries(
    phases.flatMap(([name, from, to]) =>
      from === null || to === null ? [] : [[name, Math.max(0, to - from)]],
    ),
  );
}
