import { z } from 'zod';
import type { BatchView, JobSummary, WorkersView } from './api.ts';
import { BATCH_ID, JOB_ID } from './ids.ts';

/** What a client of `WebSocket /v1/live` sends; a later message replaces an earlier one. */
export const liveSubscription = z.strictObject({
  type: z.literal('subscribe'),
  /** Ids, or true for all of the tenant. */
  jobs: z.union([z.literal(true), z.array(z.string().regex(JOB_ID)).max(1000)]).default([]),
  batches: z.array(z.string().regex(BATCH_ID)).max(100).default([]),
  workers: z.boolean().default(false),
  /** Attempts whose logs are watched: told is how far each is stored; lines are read by number over HTTP. */
  logs: z
    .array(z.strictObject({ job: z.string().regex(JOB_ID), attempt: z.int().positive() }))
    .max(20)
    .default([]),
  /** Whether any job of the tenant changed, without saying which: what lists and sums need, at any rate of changes. */
  activity: z.boolean().default(false),
  /** The cursor of the last message that was handled: what changed since comes again. */
  cursor: z
    .string()
    .regex(/^\d{1,19}$/)
    .optional(),
});
export type LiveSubscription = z.infer<typeof liveSubscription>;
export type LiveSubscriptionInput = z.input<typeof liveSubscription>;

/** How far an attempt's log is stored. Lines are numbered from 1, so that this says all that a reader must know. */
export interface LogExtent {
  readonly job: string;
  readonly attempt: number;
  readonly lines: number;
  readonly bytes: number;
  readonly omittedBytes: number;
  readonly complete: boolean;
}

/** What a client gets. `cursor` of the last one is where it resumes. */
export type LiveMessage =
  | { readonly type: 'job'; readonly job: JobSummary }
  | { readonly type: 'batch'; readonly batch: BatchView }
  | { readonly type: 'workers'; readonly workers: WorkersView['workers'] }
  | { readonly type: 'log'; readonly log: LogExtent }
  | { readonly type: 'activity' }
  | { readonly type: 'cursor'; readonly cursor: string }
  | { readonly type: 'error'; readonly message: string };
