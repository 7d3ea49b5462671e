import { type Kysely, type RawBuilder, type SqlBool, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** A list that an index has in order, newest first, and what else must hold of its entries. */
export interface WindowQuery {
  readonly table: 'jobs' | 'audit';
  readonly columns: RawBuilder<unknown>;
  /** The columns of the order: a time, and what tells entries of one time apart. */
  readonly order: { readonly ms: string; readonly id: string; readonly idType: 'text' | 'bigint' };
  /** What the index finds by itself. */
  readonly indexed: readonly RawBuilder<SqlBool>[];
  /** Sublists that the index has in order, of which this is the union: each entry is in one of them. */
  readonly parts?: readonly RawBuilder<SqlBool>[] | undefined;
  /** Holds of all entries of the list or of none. */
  readonly guard?: RawBuilder<SqlBool> | undefined;
  /** What each entry is looked at for. */
  readonly rest: readonly RawBuilder<SqlBool>[];
  /** Only entries behind this one. */
  readonly after: { readonly ms: number; readonly id: string | number } | undefined;
  readonly limit: number;
}

/** A page that may be short although more follows: then as many entries were looked at as one request may. */
export interface WindowPage<Row> {
  readonly rows: Row[];
  /** Where to go on; null when all was looked at. */
  readonly next: { readonly ms: number; readonly id: string } | null;
}

/** So many entries cost some 10 ms. */
const LOOKED_AT = 5000;

/**
 * Reads a page of a list. No filter makes it slow: where an index cannot find the entries, it looks at the next few
 * thousand of the list and says where it stopped.
 */
export async function readWindow<Row>(db: Kysely<Database>, query: WindowQuery): Promise<WindowPage<Row>> {
  const { table, columns, order, indexed, parts = [], guard, rest, limit } = query;
  const [ms, id] = [sql.ref(order.ms), sql.ref(order.id)];
  const and = (all: readonly RawBuilder<SqlBool>[]) =>
    all.length === 0 ? sql`true` : sql.join([...all], sql` AND `);
  const behind =
    query.after === undefined
      ? []
      : [
          sql<SqlBool>`(${ms}, ${id}) < (${query.after.ms}::double precision, ${query.after.id}::${sql.raw(order.idType)})`,
        ];
  const part = (selected: RawBuilder<unknown>, most: number, own: readonly RawBuilder<SqlBool>[]) => sql`
    SELECT ${selected} FROM ${sql.table(table)} WHERE ${and([...indexed, ...own, ...behind])}
    ORDER BY ${ms} DESC, ${id} DESC LIMIT ${most}`;
  const seen = (selected: RawBuilder<unknown>, most: number) =>
    parts.length === 0
      ? part(selected, most, [])
      : sql.join(
          parts.map((own) => sql`(${part(selected, most, [own])})`),
          sql` UNION ALL `,
        );
  const most = rest.length === 0 ? limit + 1 : LOOKED_AT;
  const { rows } = await sql<Row & Record<string, unknown>>`SELECT * FROM (${seen(columns, most)}) seen
    WHERE ${and(guard === undefined ? rest : [guard, ...rest])} ORDER BY ${ms} DESC, ${id} DESC LIMIT ${limit + 1}`.execute(
    db,
  );
  if (rows.length > limit) {
    const last = rows[limit - 1];
    return {
      rows: rows.slice(0, limit),
      next: { ms: Number(last?.[order.ms]), id: String(last?.[order.id]) },
    };
  }
  if (rest.length === 0) return { rows, next: null };
  const { rows: ends } = await sql<{ ms: number; id: string | number }>`
    SELECT ${ms} AS ms, ${id} AS id FROM (${seen(sql`${ms}, ${id}`, LOOKED_AT)}) seen
    ORDER BY 1 DESC, 2 DESC OFFSET ${LOOKED_AT - 1}`.execute(db);
  const end = ends[0];
  return { rows, next: end === undefined ? null : { ms: end.ms, id: String(end.id) } };
}
