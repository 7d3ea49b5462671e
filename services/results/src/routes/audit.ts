import type { AuditEntry, AuditPage } from '@cronium/contracts';
import { requireRole } from '@cronium/http';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { readQuery } from '../http/body.ts';
import { type AuditRow, exportAudit, listAudit } from '../queries/audit.ts';
import { cursorOf, readCursor } from './cursor.ts';
import { ndjsonStream } from './streams.ts';
import { isoTime } from './views.ts';

const time = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
  .transform((text) => Date.parse(text));

export const auditQuery = z.strictObject({
  actor: z.string().optional(),
  action: z.string().optional(),
  target: z.string().optional(),
  from: time.optional(),
  to: time.optional(),
  limit: z
    .string()
    .regex(/^([1-9]\d{0,2}|1000)$/, { error: 'must be a whole number from 1 to 1000' })
    .transform(Number)
    .default(100),
  cursor: z.string().optional(),
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
    const place = cursor === undefined ? undefined : readCursor(cursor);
    const before = place && { ms: place.ms, id: Number(place.id) };
    const rows = await listAudit(db, { ...filter, before, limit: limit + 1 });
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    const body: AuditPage = {
      entries: page.map(toEntry),
      cursor: last === undefined ? null : cursorOf(last.at_ms, String(last.id)),
    };
    return c.json(body);
  });
  return app;
}

async function* entries(rows: AsyncIterable<AuditRow>): AsyncGenerator<AuditEntry> {
  for await (const row of rows) yield toEntry(row);
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
