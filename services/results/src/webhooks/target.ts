import { z } from 'zod';

/** Where a job's webhook is. The URL is written as the URL standard has it: nothing in it but ASCII. */
const target = z.object({ url: z.string(), host: z.string(), secret: z.string().optional() });
export type WebhookTarget = z.infer<typeof target>;

/** A job's webhook as its row holds it; null for none. */
export function webhookTarget(webhook: { url: string; secret?: string | undefined } | undefined) {
  const url = webhook && URL.parse(webhook.url);
  if (!url) return null;
  return JSON.stringify({
    url: url.href,
    host: url.host,
    secret: webhook?.secret?.toWellFormed(),
  } satisfies WebhookTarget);
}

/** Reads what {@link webhookTarget} wrote. */
export function readTarget(text: string): WebhookTarget {
  return target.parse(JSON.parse(text));
}
