import { randomUUID } from 'node:crypto';
import type { AuditAction, FleetEvent } from '@cronium/contracts';
import { remoteAddress } from '@cronium/http';
import type { AppContext } from './request.ts';

/** What was done, to what. */
export interface Deed {
  readonly action: AuditAction;
  readonly target: string;
  readonly detail?: string | undefined;
}

/** The event that puts a request's deed into the audit log. It goes with the deed's own events, in one step. */
export function auditEvent(context: AppContext, { action, target, detail }: Deed): FleetEvent {
  const { name, tenant } = context.var.caller;
  const from = remoteAddress(context.env);
  return {
    type: 'audit',
    entry: {
      id: randomUUID(),
      tenant,
      actor: `key:${name}`,
      action,
      target,
      ...(detail !== undefined && { detail }),
      ...(from !== undefined && { from }),
      at: Date.now(),
    },
  };
}
