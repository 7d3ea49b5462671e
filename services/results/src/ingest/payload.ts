import { type JobState, queuePayload, readQueueData, readRecord, unixMs } from '@cronium/contracts';
import { z } from 'zod';
import { pgText } from '../db/bulk.ts';
import { webhookTarget } from '../webhooks/target.ts';

/**
 * The part of a queue payload that results needs. The producer has validated the whole and the worker does it again;
 * here the rest is kept as it is, so that a payload of a newer version is stored too.
 */
export const storedPayload = z.looseObject({
  ...z.object(queuePayload.shape).pick({
    tenant: true,
    batchId: true,
    line: true,
    traceId: true,
    parentSpanId: true,
  }).shape,
  receivedAt: unixMs,
  acceptedAt: unixMs,
  attemptBase: z.int().nonnegative().default(0),
  spec: z.looseObject({
    name: z.string().default(''),
    type: z.string(),
    pool: z.string().default('default'),
    labels: z.record(z.string(), z.string()).default({}),
    secrets: z.array(z.string()).default([]),
    webhook: z.looseObject({ url: z.string(), secret: z.string().optional() }).optional(),
  }),
});
export type StoredPayload = z.infer<typeof storedPayload>;

/** A row of `jobs` as it is first written. */
export interface NewJob {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly type: string;
  readonly pool: string;
  readonly batch_id: string | null;
  readonly line: number;
  readonly labels: readonly string[];
  readonly payload: string;
  readonly trace_id: string;
  readonly received_ms: number;
  readonly accepted_ms: number;
  readonly stay_ms: number;
  readonly state: JobState;
  readonly webhook: string | null;
}

/** The row of a job that waits in the queue. */
export function newJob(id: string, payload: StoredPayload): NewJob {
  const { spec } = payload;
  return {
    id,
    tenant: pgText(payload.tenant),
    name: pgText(spec.name),
    type: pgText(spec.type),
    pool: pgText(spec.pool),
    batch_id: payload.batchId ?? null,
    line: payload.line ?? 0,
    labels: Object.entries(spec.labels).map(([name, value]) => pgText(`${name}=${value}`)),
    payload: JSON.stringify(payload),
    trace_id: payload.traceId,
    received_ms: payload.receivedAt,
    accepted_ms: payload.acceptedAt,
    stay_ms: payload.acceptedAt,
    state: 'queued',
    webhook: webhookTarget(spec.webhook),
  };
}

/** Reads the payload of a job's hash in the queue; `undefined` when it is not one. */
export function readPayload(text: string): StoredPayload | undefined {
  return readRecord(storedPayload, text, readQueueData);
}
