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
  const { order, rest, limit } = query;
  const rows = await look<Row>(db, query, rest.length === 0 ? limit + 1 : LOOKED_AT);
  if (rows.length > limit || rest.length === 0) return pageOf(query, rows);
  const [ms, id] = [sql.ref(order.ms), sql.ref(order.id)];
  const { rows: ends } = await sql<{ ms: number; id: string | number }>`
    SELECT ${ms} AS ms, ${id} AS id FROM (${next(query, sql`${ms}, ${id}`, LOOKED_AT)}) seen
    ORDER BY 1 DESC, 2 DESC OFFSET ${LOOKED_AT - 1}`.execute(db);
  const end = ends[0];
  return { rows, next: end === undefined ? null : { ms: end.ms, id: String(end.id) } };
}

/** A page that is full after a look at so many of the next entries; `undefined` when it is not. */
export async function fullPageWithin<Row>(
  db: Kysely<Database>,
  query: WindowQuery,
  lookedAt: number,
): Promise<WindowPage<Row> | undefined> {
  const rows = await look<Row>(db, query, lookedAt);
  return rows.length > query.limit ? pageOf(query, rows) : undefined;
}

/**
 * The page of the list's entries among those that another index finds, wherever in the list they stand; `undefined`
 * when there are more than `most` of them.
 * @param among what that index finds
 */
export async function readAmong<Row>(
  db: Kysely<Database>,
  query: WindowQuery,
  { among, most }: { readonly among: RawBuilder<SqlBool>; readonly most: number },
): Promise<WindowPage<Row> | undefined> {
  const { table, columns, order, indexed, parts, guard, rest, limit } = query;
  const [ms, id] = [sql.ref(order.ms), sql.ref(order.id)];
  const ofParts = parts === undefined ? [] : [sql<SqlBool>`(${sql.join([...parts], sql` OR `)})`];
  const all = [...indexed, ...ofParts, ...(guard === undefined ? [] : [guard]), ...rest, ...behind(query)];
  // The count comes with each row, and alone when there are none.
  const { rows } = await sql<Row & { readonly among_count: number; readonly among_none: boolean }>`
    WITH among AS MATERIALIZED (SELECT ${columns} FROM ${sql.table(table)} WHERE ${among} LIMIT ${most + 1})
    SELECT counted.among_count, page.${id} IS NULL AS among_none, page.*
    FROM (SELECT count(*) AS among_count FROM among) counted
    LEFT JOIN (SELECT * FROM among WHERE ${and(all)} ORDER BY ${ms} DESC, ${id} DESC LIMIT ${limit + 1}) page ON true
    ORDER BY page.${ms} DESC, page.${id} DESC`.execute(db);
  if ((rows[0]?.among_count ?? 0) > most) return undefined;
  return pageOf<Row>(
    query,
    rows.filter(({ among_none }) => !among_none),
  );
}

const and = (all: readonly RawBuilder<SqlBool>[]) =>
  all.length === 0 ? sql<SqlBool>`true` : sql<SqlBool>`${sql.join([...all], sql` AND `)}`;

/** Those of the next entries that all conditions hold of, one more than a page has. */
async function look<Row>(db: Kysely<Database>, query: WindowQuery, most: number): Promise<Row[]> {
  const { columns, order, guard, rest, limit } = query;
  const { rows } = await sql<Row>`SELECT * FROM (${next(query, columns, most)}) seen
    WHERE ${and(guard === undefined ? rest : [guard, ...rest])}
    ORDER BY ${sql.ref(order.ms)} DESC, ${sql.ref(order.id)} DESC LIMIT ${limit + 1}`.execute(db);
  return rows;
}

/** The next entries of the list, so many of each part. */
function next(query: WindowQuery, selected: RawBuilder<unknown>, most: number): RawBuilder<unknown> {
  const { table, order, indexed, parts = [] } = query;
  const part = (own: readonly RawBuilder<SqlBool>[]) => sql`
    SELECT ${selected} FROM ${sql.table(table)} WHERE ${and([...indexed, ...own, ...behind(query)])}
    ORDER BY ${sql.ref(order.ms)} DESC, ${sql.ref(order.id)} DESC LIMIT ${most}`;
  if (parts.length === 0) return part([]);
  return sql.join(
    parts.map((own) => sql`(${part([own])})`),
    sql` UNION ALL `,
  );
}

function behind({ order, after }: WindowQuery): readonly RawBuilder<SqlBool>[] {
  if (after === undefined) return [];
  const [ms, id] = [sql.ref(order.ms), sql.ref(order.id)];
  return [
    sql<SqlBool>`(${ms}, ${id}) < (${after.ms}::double precision, ${after.id}::${sql.raw(order.idType)})`,
  ];
}

function pageOf<Row>({ order, limit }: WindowQuery, rows: readonly Row[]): WindowPage<Row> {
  const page = rows.slice(0, limit);
  if (rows.length <= limit) return { rows: page, next: null };
  const last = page.at(-1) as Readonly<Record<string, unknown>> | undefined;
  return { rows: page, next: { ms: Number(last?.[order.ms]), id: String(last?.[order.id]) } };
}
