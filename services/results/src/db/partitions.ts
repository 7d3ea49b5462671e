import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import type { Database } from './schema.ts';

const TABLES = ['log_chunks', 'spans', 'log_records'] as const;
type PartitionedTable = (typeof TABLES)[number];
const DAY_MS = 86_400_000;
const PARTITION = /^(log_chunks|spans|log_records)_(\d{4})(\d{2})(\d{2})$/;

/** `YYYY-MM-DD` of a time, UTC. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The days for which tables are kept and made: what is older is past retention, what is later is a wrong clock. */
export interface DayWindow {
  readonly first: string;
  readonly last: string;
}

export function dayWindow(retentionDays: number, nowMs: number): DayWindow {
  return { first: dayOf(nowMs - retentionDays * DAY_MS), last: dayOf(nowMs + 2 * DAY_MS) };
}

/** Puts a day into the window. */
export function clampDay(day: string, { first, last }: DayWindow): string {
  if (day < first) return first;
  return day > last ? last : day;
}

/** Makes the daily tables that are missing. Several processes may ask for the same at once. */
export class Partitions {
  readonly #db: Kysely<Database>;
  readonly #known = new Set<string>();

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  /** Makes sure that rows of these days can be stored. Call it before the transaction that stores them. */
  async ensure(table: PartitionedTable, days: Iterable<string>): Promise<void> {
    for (const day of [...new Set(days)].sort()) {
      const name = `${table}_${day.replaceAll('-', '')}`;
      if (this.#known.has(name)) continue;
      await this.#create(table, name, day);
      this.#known.add(name);
    }
  }

  /**
   * Stores rows of these days, in tables that are made first. Tables that were there may be gone, dropped by hand or with an
   * older state of the database that was restored: they are made anew. `store` may run twice.
   */
  async storing<T>(table: PartitionedTable, days: readonly string[], store: () => Promise<T>): Promise<T> {
    await this.ensure(table, days);
    try {
      return await store();
    } catch (error) {
      if (!isWithoutPartition(error)) throw error;
    }
    this.#known.clear();
    await this.ensure(table, days);
    return await store();
  }

  async #create(table: PartitionedTable, name: string, day: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await sql`SELECT pg_advisory_xact_lock(hashtext(${`cronium:${name}`}))`.execute(trx);
      await sql
        .raw(`CREATE TABLE IF NOT EXISTS ${name} PARTITION OF ${table} FOR VALUES IN ('${day}')`)
        .execute(trx);
    });
  }

  /**
   * Drops the tables of days before `first`.
   * @returns their names
   */
  async dropBefore(first: string): Promise<string[]> {
    const { rows } = await sql<{ name: string }>`
      SELECT c.relname AS name FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
      WHERE p.relname IN (${sql.join([...TABLES])}) AND pg_table_is_visible(p.oid) ORDER BY 1`.execute(
      this.#db,
    );
    const old = rows.map(({ name }) => name).filter((name) => isBefore(name, first));
    for (const name of old) {
      await sql.raw(`DROP TABLE IF EXISTS ${name}`).execute(this.#db);
      this.#known.delete(name);
    }
    return old;
  }
}

/** The code is that of a check, which has a constraint's name. */
function isWithoutPartition(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '23514' && error.constraint === undefined;
}

function isBefore(name: string, first: string): boolean {
  const match = PARTITION.exec(name);
  return match !== null && `${match[2]}-${match[3]}-${match[4]}` < first;
}
