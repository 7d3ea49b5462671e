import { z } from 'zod';
import { auditFact } from './audit.ts';
import { BATCH_ID, FLOW_ID, JOB_ID } from './ids.ts';
import { serviceView } from './services.ts';

const jobIds = z.array(z.string().regex(JOB_ID)).min(1).max(1000);

/**
 * What producers tell results through the stream of {@link Keys.events}: field `event`, a JSON text. Each may be read
 * more than once; reading it twice changes nothing.
 */
export const fleetEvent = z.discriminatedUnion('type', [
  /** These jobs are in the queue: results reads their payloads from it. */
  z.strictObject({ type: z.literal('accepted'), queue: z.string(), jobs: jobIds, at: z.number() }),
  /** A batch exists, or is now known to be complete. */
  z.strictObject({
    type: z.literal('batch'),
    batchId: z.string().regex(BATCH_ID),
    tenant: z.string(),
    name: z.string().optional(),
    accepted: z.int().nonnegative(),
    rejected: z.int().nonnegative(),
    complete: z.boolean(),
    at: z.number(),
  }),
  /** Someone wants a job to end. */
  z.strictObject({
    type: z.literal('cancel'),
    jobId: z.string().regex(JOB_ID),
    tenant: z.string(),
    by: z.string(),
    reason: z.string().optional(),
    at: z.number(),
  }),
  /** Someone wants all jobs of a batch to end. */
  z.strictObject({
    type: z.literal('cancel-batch'),
    batchId: z.string().regex(BATCH_ID),
    tenant: z.string(),
    by: z.string(),
    at: z.number(),
  }),
  /** An ended job was put into the queue again. */
  z.strictObject({
    type: z.literal('retried'),
    queue: z.string(),
    jobId: z.string().regex(JOB_ID),
    by: z.string(),
    at: z.number(),
  }),
  /** A flow was accepted; its definition is the value of {@link Keys.flow}. */
  z.strictObject({ type: z.literal('flow'), flowId: z.string().regex(FLOW_ID), at: z.number() }),
  /** Someone wants a flow to end: nothing more of it starts, and its jobs are cancelled. */
  z.strictObject({
    type: z.literal('cancel-flow'),
    flowId: z.string().regex(FLOW_ID),
    tenant: z.string(),
    by: z.string(),
    at: z.number(),
  }),
  /** Someone did something that the audit log keeps. */
  z.strictObject({ type: z.literal('audit'), entry: auditFact }),
]);
export type FleetEvent = z.infer<typeof fleetEvent>;

/** What is published on {@link Keys.control}, a hint that workers act on at once; the keys behind it are the truth. */
export const controlMessage = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('cancel'), jobId: z.string() }),
  z.strictObject({ type: z.literal('cancel-batch'), batchId: z.string() }),
  z.strictObject({ type: z.literal('drain'), node: z.string() }),
  z.strictObject({ type: z.literal('resume'), node: z.string() }),
  z.strictObject({ type: z.literal('pools') }),
  /** Say what your Docker runs, in {@link Keys.census}. */
  z.strictObject({ type: z.literal('census'), census: z.string() }),
  /** The node is to say what in its Docker belongs to no attempt, under {@link Keys.answer}, and to remove it. */
  z.strictObject({
    type: z.literal('reconcile'),
    node: z.string(),
    dryRun: z.boolean(),
    question: z.string(),
  }),
]);
export type ControlMessage = z.infer<typeof controlMessage>;

/** How long {@link Keys.cancel} and {@link Keys.cancelBatch} stand: longer than any job waits for a node that was away. */
export const CANCEL_KEPT_SECONDS = 7 * 86_400;

/** The reason of a job that is cancelled with its batch. */
export const BATCH_CANCELLED = 'its batch was cancelled';

/** The value of {@link Keys.cancel} and {@link Keys.cancelBatch}. */
export const cancelRequest = z.strictObject({
  by: z.string(),
  reason: z.string().optional(),
  at: z.number(),
});
export type CancelRequest = z.infer<typeof cancelRequest>;

const jwk = z.looseObject({
  kty: z.literal('OKP'),
  crv: z.literal('Ed25519'),
  x: z.string(),
  kid: z.string(),
});

/** A worker node as its heartbeat describes it. */
export const nodeRecord = z.strictObject({
  node: z.string(),
  version: z.string(),
  pools: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  slots: z.int().nonnegative(),
  busy: z.int().nonnegative(),
  /** Is it taking jobs; if not, why. */
  state: z.enum(['ready', 'not_ready', 'draining', 'stopped']),
  reasons: z.array(z.string()),
  docker: z.strictObject({ version: z.string(), cgroup: z.string() }).optional(),
  images: z.array(z.string()).default([]),
  /** The shared services that it offers to jobs. Absent: none. */
  services: z.array(serviceView).optional(),
  keys: z.array(jwk),
  startedAt: z.number(),
  seenAt: z.number(),
});
export type NodeRecord = z.infer<typeof nodeRecord>;

/** The value in {@link Keys.apiKeys}. */
export const apiKeyRecord = z.strictObject({
  name: z.string(),
  tenant: z.string(),
  role: z.enum(['admin', 'submitter', 'reader']),
});
export type ApiKeyRecord = z.infer<typeof apiKeyRecord>;
