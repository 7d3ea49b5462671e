import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import type { Database } from './schema.ts';

/** How the database is opened. */
export interface DatabaseOptions {
  readonly url: string;
  /** At most so many connections. */
  readonly connections: number;
  /** Told of a connection that broke while it was idle. */
  onError?(error: Error): void;
}

const INT8 = 20;
const DATE = 1082;
const DATE_ARRAY = 1182;
const TEXT_ARRAY = 1009;
const XID8 = 5069;

/** Counts as numbers, dates as `YYYY-MM-DD`. Kept to this pool: pg's own table of parsers is global. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format) => {
    if (oid === INT8 && format !== 'binary') return Number;
    if ((oid === DATE || oid === XID8) && format !== 'binary') return String;
    return pg.types.getTypeParser(oid === DATE_ARRAY ? TEXT_ARRAY : oid, format);
  },
};

/** Settings of every connection: nothing counts as stored before it is on disk, and nothing waits for ever. */
const SETTINGS = [
  'synchronous_commit=on',
  'statement_timeout=60000',
  'lock_timeout=20000',
  'idle_in_transaction_session_timeout=60000',
  'timezone=UTC',
];

export function poolConfig(url: string): pg.PoolConfig {
  return {
    connectionString: url,
    application_name: 'cronium-results',
    options: SETTINGS.map((setting) => `-c ${setting}`).join(' '),
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 5000,
    types,
  };
}

/** Opens the database; connections are made when they are needed. */
export function openDatabase({ url, connections, onError }: DatabaseOptions): Kysely<Database> {
  const pool = new pg.Pool({ ...poolConfig(url), max: connections, idleTimeoutMillis: 300_000 });
  pool.on('error', (error) => onError?.(error));
  // A connection that breaks while a transaction has it, between two queries, reports to nobody else and would end the
  // process; the transaction's next query fails all the same.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return new Kysely<Database>({ dialect: new PostgresDialect({ pool }) });
}
