import { z } from 'zod';

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** What is stored for each tool, sealed. */
export const credentialBody = z.discriminatedUnion('tool', [
  z.strictObject({ tool: z.literal('slack'), webhookUrl: httpUrl }),
  z.strictObject({ tool: z.literal('discord'), webhookUrl: httpUrl }),
  z.strictObject({
    tool: z.literal('email'),
    host: z.string().min(1),
    port: z.int().min(1).max(65_535).default(587),
    /** TLS from the first byte; else STARTTLS when the server offers it. */
    secure: z.boolean().default(false),
    user: z.string().optional(),
    password: z.string().optional(),
    from: z.string().min(3),
  }),
]);
export type Credential = z.infer<typeof credentialBody>;
