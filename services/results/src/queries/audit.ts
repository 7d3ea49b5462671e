import type { AuditFact } from '@cronium/contracts';
import { type Kysely, type RawBuilder, type Selectable, type SqlBool, sql } from 'kysely';
import { names, pgText, recordset } from '../db/bulk.ts';
import type { AuditTable, Database } from '../db/schema.ts';
import { readWindow, type WindowPage } from './window.ts';

export type AuditRow = Selectable<AuditTable>;

const AUDIT = {
  entry_id: 'uuid',
  at_ms: 'double precision',
  tenant: 'text',
  actor: 'text',
  action: 'text',
  target: 'text',
  detail: 'text',
  from_address: 'text',
} as const;

/** Writes down who did what; an entry that is there already stays as it is. */
export async function insertAudit(db: Kysely<Database>, facts: readonly AuditFact[]): Promise<void> {
  if (facts.length === 0) return;
  const rows = facts.map(({ id, tenant, actor, action, target, detail, from, at }) => ({
    entry_id: id,
    at_ms: at,
    tenant,
    actor: pgText(actor),
    action,
    target: pgText(target),
    detail: detail === undefined ? null : pgText(detail),
    from_address: from ?? null,
  }));
  await sql`INSERT INTO audit (${names(AUDIT)}) SELECT ${names(AUDIT)} FROM ${recordset(AUDIT, rows)}
    ON CONFLICT DO NOTHING`.execute(db);
}

/** Which entries to list; all that are given must hold. */
export interface AuditFilter {
  readonly tenant: string;
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  /** At or after, and before; Unix ms. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

/** Entries of the audit log, newest first. */
export async function listAudit(
  db: Kysely<Database>,
  filter: AuditFilter & { after?: { ms: number; id: string } | undefined; limit: number },
): Promise<WindowPage<AuditRow>> {
  return await readWindow<AuditRow>(db, {
    table: 'audit',
    columns: sql`*`,
    order: { ms: 'at_ms', id: 'id', idType: 'bigint' },
    ...conditions(filter),
    after: filter.after,
    limit: filter.limit,
  });
}

const EXPORTED_EACH = 1000;

/** All entries, oldest first, read a page at a time. */
export async function* exportAudit(
  db: Kysely<Database>,
  filter: AuditFilter,
): AsyncGenerator<readonly AuditRow[]> {
  let after: { ms: number; id: number } | undefined;
  for (;;) {
    const { indexed, rest } = conditions(filter);
    const all = [...indexed, ...rest];
    if (after !== undefined)
      all.push(sql`(at_ms, id) > (${after.ms}::double precision, ${after.id}::bigint)`);
    const rows = await db
      .selectFrom('audit')
      .selectAll()
      .where((eb) => eb.and(all))
      .orderBy('at_ms')
      .orderBy('id')
      .limit(EXPORTED_EACH)
      .execute();
    yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < EXPORTED_EACH) return;
    after = { ms: last.at_ms, id: last.id };
  }
}

function conditions({ tenant, actor, action, target, from, to }: AuditFilter): {
  indexed: RawBuilder<SqlBool>[];
  rest: RawBuilder<SqlBool>[];
} {
  const indexed: RawBuilder<SqlBool>[] = [sql`tenant = ${tenant}`];
  const rest: RawBuilder<SqlBool>[] = [];
  if (target !== undefined) indexed.push(sql`target = ${target}`);
  if (from !== undefined) indexed.push(sql`at_ms >= ${from}::double precision`);
  if (to !== undefined) indexed.push(sql`at_ms < ${to}::double precision`);
  if (actor !== undefined) rest.push(sql`actor = ANY(${[actor, `key:${actor}`]}::text[])`);
  if (action !== undefined) rest.push(sql`(action = ${action} OR starts_with(action, ${`${action}.`}))`);
  return { indexed, rest };
}

/** Deletes entries from before a time; returns how many there were. */
export async function deleteAuditBefore(db: Kysely<Database>, beforeMs: number): Promise<number> {
  const { numDeletedRows } = await db.deleteFrom('audit').where('at_ms', '<', beforeMs).executeTakeFirst();
  return Number(numDeletedRows);
}
