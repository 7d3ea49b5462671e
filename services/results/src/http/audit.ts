import { randomUUID } from 'node:crypto';
import type { AuditAction } from '@cronium/contracts';
import { remoteAddress } from '@cronium/http';
import type { Context } from 'hono';
import { withRetry } from '../db/retry.ts';
import type { Deps } from '../deps.ts';
import { insertAudit } from '../queries/audit.ts';
import type { Env } from './auth.ts';

/** Writes down what a request did, by whom and from where. */
export async function audit(
  { db }: Pick<Deps, 'db'>,
  c: Context<Env>,
  { action, target, detail }: { action: AuditAction; target: string; detail?: string },
): Promise<void> {
  const { tenant, actor } = c.get('principal');
  const from = remoteAddress(c.env);
  const fact = { id: randomUUID(), tenant, actor, action, target, at: Date.now() };
  await withRetry(() =>
    insertAudit(db, [
      { ...fact, ...(detail !== undefined && { detail }), ...(from !== undefined && { from }) },
    ]),
  );
}
