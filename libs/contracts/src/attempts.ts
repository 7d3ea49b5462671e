import { z } from 'zod';
import { ATTEMPT_ID, BATCH_ID, JOB_ID } from './ids.ts';
import { jobSpec } from './job.ts';
import { outcome } from './outcome.ts';
import { jobState } from './states.ts';

/** Unix time in milliseconds, fractions allowed. */
export const unixMs = z.number().nonnegative();

/**
 * What travels in the queue with a job (`data` of the BullMQ job). `spec` has its defaults filled in. A worker parses
 * it again: a payload from another version, or a corrupt one, ends that job as unreadable and nothing else.
 */
export const queuePayload = z.strictObject({
  v: z.literal(1),
  spec: jobSpec,
  tenant: z.string().min(1),
  batchId: z.string().regex(BATCH_ID).optional(),
  /** The job's line in its batch, from 1. */
  line: z.int().positive().optional(),
  traceId: z.string().regex(/^[0-9a-f]{32}$/),
  /** The submitter's span, when a `traceparent` came with the request. */
  parentSpanId: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  /** When the producer had read the request, and when it handed the job to the queue. */
  receivedAt: unixMs,
  acceptedAt: unixMs,
  /** Attempts made before this stay in the queue (a manual retry continues the count). */
  attemptBase: z.int().nonnegative().default(0),
  /** Claims that were put back unstarted (concurrency key held, no subnet free); they are not attempts. */
  postponed: z.int().nonnegative().default(0),
  /**
   * Written by a worker, under its lock, when it puts the job back for another attempt: `reported` is the last attempt
   * whose end was told to results (so that later ones before the present were lost with their nodes), and how many
   * attempts failed of themselves and how many were lost so far.
   */
  history: z
    .strictObject({
      reported: z.int().nonnegative(),
      failures: z.int().nonnegative(),
      losses: z.int().nonnegative(),
    })
    .optional(),
});
export type QueuePayload = z.infer<typeof queuePayload>;

/**
 * The moments of an attempt, in their usual order. Each `<x>_started` / `<x>_ended` pair is a span of the trace; see
 * spans.ts. A moment is recorded once; an attempt that died early lacks the later ones.
 */
export const TIMELINE_MOMENTS = [
  'claimed',
  'network_started',
  'network_ended',
  'image_started',
  'image_ended',
  'sidecar_started',
  'sidecar_ended',
  'create_started',
  'create_ended',
  'start_started',
  'start_ended',
  'tenant_pre_task_started',
  'tenant_pre_task_ended',
  'setup_started',
  'setup_ended',
  'pre_task_started',
  'pre_task_ended',
  'main_started',
  'first_byte',
  'main_ended',
  'drain_started',
  'drain_ended',
  'teardown_started',
  'teardown_ended',
] as const;
export type TimelineMoment = (typeof TIMELINE_MOMENTS)[number];

export const timelineEntry = z.strictObject({
  moment: z.enum(TIMELINE_MOMENTS),
  at: unixMs,
  /** Facts of that moment: an image's digest, a phase's exit code, a subnet. */
  attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type TimelineEntry = z.infer<typeof timelineEntry>;

/**
 * What a worker tells results of an attempt. Updates are cumulative and idempotent: each carries the whole timeline so
 * far, so that any one of them, repeated or alone, is enough. An update of an older attempt than the job's newest
 * changes that attempt's own row and never the job's.
 */
export const attemptUpdate = z.strictObject({
  attemptId: z.string().regex(ATTEMPT_ID),
  jobId: z.string().regex(JOB_ID),
  attempt: z.int().positive(),
  node: z.string(),
  /** UTC day of the claim, `YYYY-MM-DD`. */
  day: z.iso.date(),
  payload: queuePayload,
  state: jobState,
  timeline: z.array(timelineEntry),
  /** How this attempt ended. */
  outcome: outcome.optional(),
  /** True: the job ends with this attempt. False with an outcome: it is queued again, for `nextRunAt`. */
  final: z.boolean().default(false),
  nextRunAt: unixMs.optional(),
  /** The image as it was run: reference and id. */
  image: z.strictObject({ reference: z.string(), id: z.string() }).optional(),
  /** Attempts before this one that ended without a word because their node was lost. */
  lostAttempts: z.array(z.int().positive()).default([]),
});
export type AttemptUpdate = z.infer<typeof attemptUpdate>;
export type AttemptUpdateInput = z.input<typeof attemptUpdate>;

export const attemptUpdates = z.array(attemptUpdate).max(1000);

/**
 * The answer to each update, in order. `stale`: a newer attempt of the job is known, the sender must stop. `ended`: the
 * job ended with an earlier attempt (its worker died before it could settle the queue), the sender must stop and take
 * the job out of the queue.
 */
export const attemptUpdateResults = z.strictObject({
  results: z.array(z.strictObject({ attemptId: z.string(), result: z.enum(['stored', 'stale', 'ended']) })),
});
export type AttemptUpdateResults = z.infer<typeof attemptUpdateResults>;
