import { z } from 'zod';
import { TIMELINE_MOMENTS, unixMs } from './attempts.ts';
import { serviceView } from './services.ts';
import { jobState } from './states.ts';

// ── Producer ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `POST /v1/jobs` -> 202. */
export const acceptedJob = z.object({ id: z.string(), state: jobState, traceId: z.string() });
export type AcceptedJob = z.infer<typeof acceptedJob>;

export const rejectedLine = z.object({
  /** From 1; in a JSON batch the position in `jobs`, from 1. */
  line: z.int().positive(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })),
});
export type RejectedLine = z.infer<typeof rejectedLine>;

/** At most this many rejected lines are listed; `rejectedTotal` counts all. */
export const MAX_REJECTED_LISTED = 1000;

/** `POST /v1/batches` -> 202. */
export const acceptedBatch = z.object({
  batchId: z.string(),
  accepted: z.int().nonnegative(),
  rejected: z.array(rejectedLine),
  rejectedTotal: z.int().nonnegative(),
});
export type AcceptedBatch = z.infer<typeof acceptedBatch>;

/** `GET /v1/queues`. */
export const queueCounts = z.object({
  queues: z.array(
    z.object({
      name: z.string(),
      pool: z.string(),
      requires: z.record(z.string(), z.string()),
      paused: z.boolean(),
      waiting: z.int(),
      delayed: z.int(),
      active: z.int(),
      /** Seconds that the oldest waiting job has waited; null when none waits. */
      oldestSeconds: z.number().nullable(),
    }),
  ),
});
export type QueueCounts = z.infer<typeof queueCounts>;

// ── Results ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const time = z.iso.datetime().nullable();

export const attemptView = z.object({
  attempt: z.int(),
  id: z.string(),
  node: z.string(),
  state: jobState,
  exitCode: z.int().nullable(),
  cause: z.string().nullable(),
  message: z.string().nullable(),
  startedAt: time,
  endedAt: time,
  timeline: z.array(
    z.object({
      moment: z.enum(TIMELINE_MOMENTS),
      at: unixMs,
      attributes: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
  log: z.object({ lines: z.int(), bytes: z.int(), omittedBytes: z.int(), complete: z.boolean() }),
});
export type AttemptView = z.infer<typeof attemptView>;

/** One row of `GET /v1/jobs`. */
export const jobSummary = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  state: jobState,
  pool: z.string(),
  batchId: z.string().nullable(),
  labels: z.record(z.string(), z.string()),
  attempts: z.int(),
  exitCode: z.int().nullable(),
  cause: z.string().nullable(),
  node: z.string().nullable(),
  traceId: z.string(),
  acceptedAt: time,
  /** When the newest attempt's main phase began. */
  startedAt: time,
  endedAt: time,
  /** How long that phase took, in milliseconds; null before its end, and when it never began. */
  runMs: z.number().nullable(),
});
export type JobSummary = z.infer<typeof jobSummary>;

export const jobPage = z.object({ jobs: z.array(jobSummary), cursor: z.string().nullable() });
export type JobPage = z.infer<typeof jobPage>;

/** What became of the message to a job's `webhook`. */
export const webhookView = z.object({
  state: z.enum(['waiting', 'delivered', 'failed']),
  tries: z.int(),
  lastError: z.string().optional(),
  deliveredAt: z.iso.datetime().optional(),
});
export type WebhookView = z.infer<typeof webhookView>;

/** `GET /v1/jobs/{id}`. `attempts` here is the number; `attemptList` has each. */
export const jobView = jobSummary.extend({
  spec: z.record(z.string(), z.unknown()),
  output: z.json().nullable(),
  condition: z.boolean().nullable(),
  progress: z.object({ percent: z.number().nullable(), message: z.string().nullable() }).nullable(),
  attemptList: z.array(attemptView),
  /** Of the job's last end; absent before it, and for a job without `webhook`. */
  webhook: webhookView.optional(),
  /** Milliseconds by phase of the newest attempt: queued, prepare, tenantPreTask, setup, preTask, run, drain, teardown, total. */
  timings: z.record(z.string(), z.number()),
});
export type JobView = z.infer<typeof jobView>;

/** One of `GET /v1/jobs/{id}/artifacts`. */
export const artifactView = z.object({
  path: z.string(),
  attempt: z.int(),
  bytes: z.int(),
  /** Hex. */
  sha256: z.string(),
  contentType: z.string(),
  createdAt: time,
});
export type ArtifactView = z.infer<typeof artifactView>;

/** A line of `GET /v1/jobs/{id}/logs` as NDJSON or SSE. */
export const logLine = z.object({
  seq: z.int().positive(),
  time: z.iso.datetime(),
  /** `fleet`: a notice of the fleet, such as a count of omitted bytes. */
  stream: z.enum(['stdout', 'stderr', 'fleet']),
  /** Without its newline. Bytes that are not UTF-8 show as U+FFFD; `base64` then has the line's own bytes. */
  text: z.string(),
  base64: z.string().optional(),
  /** True when no newline followed: the last line, or a piece of a very long one. */
  partial: z.boolean().optional(),
});
export type LogLine = z.infer<typeof logLine>;

export const spanView = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().nullable(),
  name: z.string(),
  /** Which service made it: producer, worker, runtime-api, results, job, or a service.name sent over OTLP. */
  service: z.string(),
  kind: z.string(),
  startMs: z.number(),
  /** Null while the span goes on. */
  endMs: z.number().nullable(),
  status: z.enum(['unset', 'ok', 'error']),
  attributes: z.record(z.string(), z.unknown()),
  events: z.array(
    z.object({ name: z.string(), atMs: z.number(), attributes: z.record(z.string(), z.unknown()) }),
  ),
});
export type SpanView = z.infer<typeof spanView>;

/** `GET /v1/jobs/{id}/trace` and `GET /v1/traces/{traceId}`; spans by start. */
export const traceView = z.object({ traceId: z.string(), spans: z.array(spanView), truncated: z.boolean() });
export type TraceView = z.infer<typeof traceView>;

/** `GET /v1/batches/{id}`. */
export const batchView = z.object({
  id: z.string(),
  name: z.string().nullable(),
  accepted: z.int(),
  rejected: z.int(),
  complete: z.boolean(),
  /** Jobs by state; every state is present. */
  counts: z.record(jobState, z.int()),
  ended: z.int(),
  total: z.int(),
  /** 0 to 1. */
  progress: z.number(),
  /** Milliseconds of the running phase of ended jobs, each within 2.5 %. */
  percentiles: z.object({
    p50: z.number().nullable(),
    p95: z.number().nullable(),
    p99: z.number().nullable(),
  }),
  /** Seconds until the end at the pace so far; null when unknown. */
  etaSeconds: z.number().nullable(),
  createdAt: time,
  endedAt: time,
});
export type BatchView = z.infer<typeof batchView>;

/** A line of `GET /v1/batches/{id}/results`. */
export const batchResult = z.object({
  id: z.string(),
  name: z.string(),
  state: jobState,
  exitCode: z.int().nullable(),
  output: z.json().nullable(),
  attempts: z.int(),
  startedAt: time,
  endedAt: time,
});
export type BatchResult = z.infer<typeof batchResult>;

/** `GET /v1/jobs/{id}/why`: why a job is where it is. */
export const whyView = z.object({
  state: jobState,
  explanation: z.string(),
  facts: z.record(z.string(), z.unknown()),
});
export type WhyView = z.infer<typeof whyView>;

/** `GET /v1/workers`. */
export const workersView = z.object({
  workers: z.array(
    z.object({
      node: z.string(),
      state: z.enum(['ready', 'not_ready', 'draining', 'stopped', 'gone']),
      reasons: z.array(z.string()),
      version: z.string(),
      pools: z.array(z.string()),
      labels: z.record(z.string(), z.string()),
      slots: z.int(),
      busy: z.int(),
      images: z.array(z.string()),
      /** The shared services that it offers to jobs: their names, and the ports on which jobs reach them. */
      services: z.array(serviceView),
      docker: z.object({ version: z.string(), cgroup: z.string() }).nullable(),
      startedAt: time,
      lastSeenAt: time,
    }),
  ),
});
export type WorkersView = z.infer<typeof workersView>;

/** `POST /v1/workers/{node}/reconcile`. */
export const reconcileView = z.object({
  node: z.string(),
  dryRun: z.boolean(),
  /** What belonged to no attempt, by kind and name; removed unless it was a dry run. */
  orphans: z.array(z.string()),
});
export type ReconcileView = z.infer<typeof reconcileView>;

export const variableView = z.object({ key: z.string(), value: z.json(), version: z.int().positive() });
export type VariableView = z.infer<typeof variableView>;

// ── Health ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `GET /health`: the process is up. */
export const health = z.object({ status: z.literal('ok'), version: z.string() });
export type Health = z.infer<typeof health>;

/** `GET /ready`: 200 when ready, else 503. Each missing dependency is named with what to do. */
export const readiness = z.object({
  ready: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), message: z.string().optional() })),
});
export type Readiness = z.infer<typeof readiness>;
