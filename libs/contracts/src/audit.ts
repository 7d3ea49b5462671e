import { z } from 'zod';

/** What a person or a program did, as the audit log names it: `<thing>.<verb>`. */
export const AUDIT_ACTIONS = [
  'job.submit',
  'job.cancel',
  'job.retry',
  'batch.submit',
  'batch.cancel',
  'batch.retry',
  'flow.submit',
  'flow.cancel',
  'schedule.put',
  'schedule.delete',
  'pool.pause',
  'pool.resume',
  'worker.drain',
  'worker.resume',
  'worker.reconcile',
  'pre-task.put',
  'pre-task.delete',
  'secret.put',
  'secret.delete',
  'credential.put',
  'credential.delete',
  'api-key.create',
  'api-key.delete',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

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
