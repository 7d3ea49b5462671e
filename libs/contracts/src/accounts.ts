import { z } from 'zod';

/** What a node answers to a census: the job containers that its Docker lists, by their labels. */
export const nodeCensus = z.strictObject({
  /** Of the census that it answers. */
  census: z.string(),
  at: z.number(),
  sandboxes: z.array(z.object({ jobId: z.string(), attemptId: z.string(), running: z.boolean() })),
});
export type NodeCensus = z.infer<typeof nodeCensus>;

/** What can be wrong with the fleet's accounts. */
export const DISCREPANCIES = [
  /** Accepted and not ended, and the queue does not know it. It is queued again. */
  'forgotten',
  /** The queue has its data and will never hand it out. */
  'stranded',
  /** In the queue, and results was never told of it. */
  'unannounced',
  /** Ended, and in the queue still or again. */
  'ended_in_queue',
  /** A container of a job that has ended or has moved on. */
  'unowned_container',
  /** Shown as running, and its node's Docker has no container of it. */
  'missing_container',
  /** Containers of one job run on two nodes, or of two attempts. */
  'two_containers',
  /** A node that holds jobs and does not say what its Docker runs. */
  'silent_node',
] as const;

export const discrepancy = z.object({
  kind: z.enum(DISCREPANCIES),
  jobId: z.string().nullable(),
  node: z.string().nullable(),
  /** What is wrong, and what happens or is to be done about it. */
  message: z.string(),
});
export type Discrepancy = z.infer<typeof discrepancy>;

/**
 * `GET /v1/accounts`: every accepted job is counted once. `accepted` is `ended + waiting + running` and those that a
 * discrepancy names.
 */
export const accountsView = z.object({
  at: z.iso.datetime(),
  balanced: z.boolean(),
  accepted: z.int(),
  ended: z.int(),
  /** In a queue, also for later. */
  waiting: z.int(),
  /** Held by a worker, or just put down by one. */
  running: z.int(),
  /** Running job containers, as the nodes' Docker engines list them. */
  containers: z.int(),
  nodes: z.array(z.object({ node: z.string(), answered: z.boolean(), containers: z.int() })),
  /** Each was there twice, a few seconds apart. At most a thousand. */
  discrepancies: z.array(discrepancy),
});
export type AccountsView = z.infer<typeof accountsView>;
