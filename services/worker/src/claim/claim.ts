import {
  attemptIdOf,
  JOB_ID,
  type JobSpec,
  jobSpec,
  type QueuePayload,
  queuePayload,
  readQueueData,
  traceIdForJob,
} from '@cronium/contracts';
import type { KeepJobs } from 'bullmq';
import { z } from 'zod';
import type { TakenJob } from './queue.ts';

/** How many attempts went before this one, by how they ended. */
export interface History {
  /** The last attempt whose end was told to results. */
  readonly reported: number;
  readonly failures: number;
  readonly losses: number;
}

/** A job that this node holds the lock of: one attempt of it. */
export interface Claim {
  readonly jobId: string;
  /** The fencing epoch, from 1. */
  readonly attempt: number;
  readonly attemptId: string;
  readonly queue: string;
  /** The lock's token; it outlives this process in the journal. */
  readonly token: string;
  /** How often the queue had given the job out, this time included. */
  readonly started: number;
  readonly keep: KeepJobs | boolean | number;
  readonly payload: QueuePayload;
  /** Why the payload could not be read; `payload` is then what could be saved of it, and must not be run. */
  readonly unreadable: string | undefined;
  /** Silent losses before this attempt are counted in. */
  readonly history: History;
  /** Attempts before this one that ended without a word. */
  readonly lostAttempts: readonly number[];
  /** Unix ms, and its UTC day `YYYY-MM-DD`. */
  readonly claimedAt: number;
  readonly day: string;
}

/** Reads a taken job. Never throws: a payload that cannot be read is a claim that says so. */
export function readClaim(job: TakenJob, held: { queue: string; token: string; now: number }): Claim {
  const parsed = readPayload(job.data);
  const payload = 'payload' in parsed ? parsed.payload : salvage(job.id, parsed.json);
  const attempt = Math.max(1, payload.attemptBase + job.started - payload.postponed);
  const lostAttempts = silentLosses(payload, attempt);
  const { failures, losses } = payload.history ?? { failures: 0, losses: 0 };
  return {
    jobId: job.id,
    attempt,
    attemptId: attemptIdOf(job.id, attempt),
    queue: held.queue,
    token: held.token,
    started: job.started,
    keep: job.keep,
    payload,
    unreadable: JOB_ID.test(job.id)
      ? 'payload' in parsed
        ? undefined
        : parsed.reason
      : 'its id is not one of this fleet',
    history: { reported: attempt - 1 - lostAttempts.length, failures, losses: losses + lostAttempts.length },
    lostAttempts,
    claimedAt: held.now,
    day: new Date(held.now).toISOString().slice(0, 10),
  };
}

/** Can results take reports of this job? Only ids of this fleet's own form. */
export function isReportable(claim: Claim): boolean {
  return JOB_ID.test(claim.jobId);
}

/** Every end is reported before a job goes back, so those after the last reported one were lost with their nodes. */
function silentLosses(payload: QueuePayload, attempt: number): number[] {
  const reported = payload.history?.reported ?? payload.attemptBase;
  return Array.from({ length: Math.max(0, attempt - 1 - reported) }, (_, index) => reported + 1 + index);
}

type Reading =
  | { readonly payload: QueuePayload }
  | { readonly reason: string; readonly json: Record<string, unknown> };

function readPayload(data: string): Reading {
  let json: unknown;
  try {
    json = readQueueData(data);
  } catch {
    return { reason: 'its data is not JSON', json: {} };
  }
  const result = queuePayload.safeParse(json);
  if (result.success) return { payload: result.data };
  const fields = z.record(z.string(), z.unknown()).safeParse(json);
  return { reason: describe(result.error), json: fields.data ?? {} };
}

function describe(error: z.ZodError): string {
  const listed = error.issues
    .slice(0, 3)
    .map(({ path, message }) => `${path.join('.') || 'payload'}: ${message}`);
  return [...listed, ...(error.issues.length > 3 ? [`and ${error.issues.length - 3} more`] : [])].join('; ');
}

/** Takes the place of a spec that cannot be read. It is reported and never run. */
const NOTHING: JobSpec = jobSpec.parse({
  type: 'script',
  name: '(unreadable)',
  script: { language: 'bash', source: '# the payload of this job could not be read' },
});

/** Keeps each field that is right, so that the job can still be found by its batch, tenant and trace. */
function salvage(jobId: string, json: Record<string, unknown>): QueuePayload {
  const { shape } = queuePayload;
  const good = <T>(schema: z.ZodType<T>, value: unknown): T | undefined => schema.safeParse(value).data;
  const now = Date.now();
  const batchId = good(shape.batchId, json.batchId);
  const line = good(shape.line, json.line);
  return {
    v: 1,
    spec: good(shape.spec, json.spec) ?? NOTHING,
    tenant: good(shape.tenant, json.tenant) ?? 'unknown',
    traceId: good(shape.traceId, json.traceId) ?? traceIdForJob(jobId),
    receivedAt: good(shape.receivedAt, json.receivedAt) ?? now,
    acceptedAt: good(shape.acceptedAt, json.acceptedAt) ?? now,
    attemptBase: good(shape.attemptBase, json.attemptBase) ?? 0,
    postponed: good(shape.postponed, json.postponed) ?? 0,
    ...(batchId === undefined ? {} : { batchId }),
    ...(line === undefined ? {} : { line }),
  };
}
