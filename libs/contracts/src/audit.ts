import { z } from 'zod';
import { AUDIT_ACTIONS } from './audit-actions.ts';

/** One entry of the audit log. `id` is its own: an entry that is told twice is stored once. */
export const auditFact = z.strictObject({
  id: z.uuid(),
  tenant: z.string(),
  /** `key:<name>`: the API key that it was done with. */
  actor: z.string(),
  action: z.enum(AUDIT_ACTIONS),
  /** The id or name of what it was done to. */
  target: z.string(),
  detail: z.string().optional(),
  /** The address that the request came from. */
  from: z.string().optional(),
  at: z.number(),
});
export type AuditFact = z.infer<typeof auditFact>;

/** An entry as `GET /v1/audit` shows it. */
export const auditEntry = z.object({
  id: z.string(),
  at: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  detail: z.string().nullable(),
  from: z.string().nullable(),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** `GET /v1/audit`, newest first. As `application/x-ndjson` it is all of it, an entry a line, oldest first. */
export const auditPage = z.object({ entries: z.array(auditEntry), cursor: z.string().nullable() });
export type AuditPage = z.infer<typeof auditPage>;
