import { createHmac } from 'node:crypto';
import { WEBHOOK_HEADERS, type WebhookEvent } from '@cronium/contracts';
import type { WebhookDeliveriesTable } from '../db/schema.ts';
import type { DeliveredJob } from '../queries/webhooks.ts';
import { isoTime, splitLabel } from '../routes/views.ts';

/** What a webhook is told. The same for every try. */
export function messageOf(delivery: WebhookDeliveriesTable, job: DeliveredJob): string {
  return JSON.stringify({
    type: 'job.ended',
    deliveryId: delivery.id,
    id: delivery.job_id,
    name: job.name,
    state: delivery.state as WebhookEvent['state'],
    exitCode: delivery.exit_code,
    cause: delivery.cause,
    attempts: delivery.attempt,
    batchId: job.batch_id,
    labels: Object.fromEntries(job.labels.map(splitLabel)),
    acceptedAt: isoTime(job.accepted_ms),
    startedAt: isoTime(delivery.started_ms),
    endedAt: isoTime(delivery.ended_ms),
    output: job.output === null ? null : JSON.parse(job.output),
  } satisfies WebhookEvent);
}

/** The headers of a try; signed when there is a secret. */
export function headersOf(
  deliveryId: string,
  body: string,
  { secret, nowMs }: { secret: string | undefined; nowMs: number },
): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const headers = {
    'Content-Type': 'application/json',
    'User-Agent': 'cronium-fleet',
    [WEBHOOK_HEADERS.delivery]: deliveryId,
    [WEBHOOK_HEADERS.timestamp]: timestamp,
  };
  if (secret === undefined) return headers;
  const signature = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  return { ...headers, [WEBHOOK_HEADERS.signature]: `v1=${signature}` };
}
