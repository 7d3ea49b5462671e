import { z } from 'zod';
import { jobSummary } from './api.ts';
import { terminalState } from './states.ts';

/** What a job's `webhook` is told when the job ends. The fields are those of `GET /v1/jobs/{id}`. */
export const webhookEvent = jobSummary
  .pick({
    id: true,
    name: true,
    exitCode: true,
    cause: true,
    attempts: true,
    batchId: true,
    labels: true,
    acceptedAt: true,
    startedAt: true,
    endedAt: true,
  })
  .extend({
    type: z.literal('job.ended'),
    /** The same for every try, and another when the job was retried by hand and ended again. */
    deliveryId: z.string(),
    state: terminalState,
    output: z.json().nullable(),
  });
export type WebhookEvent = z.infer<typeof webhookEvent>;

/** The headers of a delivery. */
export const WEBHOOK_HEADERS = {
  delivery: 'Cronium-Delivery',
  /** Unix seconds, of this try. */
  timestamp: 'Cronium-Timestamp',
  /** `v1=` and the hex HMAC-SHA256 of `<timestamp>.<body>`, with the secret. */
  signature: 'Cronium-Signature',
} as const;
