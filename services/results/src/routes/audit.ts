import type { AuditEntry, AuditPage } from '@cronium/contracts';
import { requireRole } from '@cronium/http';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { readQuery } from '../http/body.ts';
import { type AuditRow, exportAudit, listAudit } from '../queries/audit.ts';
import { cursorOf, isCounted } from './cursor.ts';
import { paging, time } from './paging.ts';
import { ndjsonStream } from './streams.ts';
import { isoTime } from './views.ts';

export const auditQuery = z.strictObject({
  actor: z.string().optional(),
  action: z.string().optional(),
  target: z.string().optional(),
  from: time.optional(),
  to: time.optional(),
  ...paging(100, isCounted),
  /** As the Accept header application/x-ndjson: for a link, which cannot send one. */
  format: z.literal('ndjson').optional(),
});

/** `/v1/audit`: who did what, when and from where. For admins. */
export function auditRoutes({ db }: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/', async (c) => {
    requireRole(c.get('principal'), 'admin');
    const { cursor, limit, format, ...rest } = readQuery(c, auditQuery);
    const filter = { ...rest, tenant: c.get('principal').tenant };
    if (format === 'ndjson' || c.req.header('accept')?.includes('application/x-ndjson')) {
      return ndjsonStream(c, entries(exportAudit(db, filter)));
    }
    const { rows, next } = await listAudit(db, { ...filter, after: cursor, limit });
    return c.json({ entries: rows.map(toEntry), cursor: next && cursorOf(next) } satisfies AuditPage);
  });
  return app;
}

async function* entries(pages: AsyncIterable<readonly AuditRow[]>): AsyncGenerator<readonly AuditEntry[]> {
  for await (const page of pages) yield page.map(toEntry);
}

function toEntry(row: AuditRow): AuditEntry {
  return {
    id: row.entry_id,
    at: isoTime(row.at_ms) ?? '',
    actor: row.actor,
    action: row.action,
    target: row.target,
    detail: row.detail,
    from: row.from_address,
  };
}
