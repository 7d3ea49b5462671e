import { z } from 'zod';

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' });

/** What is stored for each tool, sealed. */
export const credentialBody = z
  .discriminatedUnion('tool', [
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
      /** `ops@example.com`, or `Ops <ops@example.com>`. */
      from: z.string().regex(/^(?:[^<>\r\n]* <[^<>@\s]+@[^<>@\s]+>|[^<>@\s]+@[^<>@\s]+)$/, {
        error: 'must be an e-mail address',
      }),
    }),
  ])
  .superRefine((credential, context) => {
    if (credential.tool !== 'email') return;
    const [user, password] = [credential.user !== undefined, credential.password !== undefined];
    if (user === password) return;
    const missing = user ? 'password' : 'user';
    context.addIssue({
      code: 'custom',
      path: [missing],
      message: 'must be given: user and password go together',
    });
  });
export type Credential = z.infer<typeof credentialBody>;
