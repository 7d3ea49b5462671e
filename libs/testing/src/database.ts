import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { testEnvironment } from './environment.ts';

/** An empty database of a test's own. `await using database = await createTestDatabase()` drops it at the end. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly name: string;
  /** Ends its connections and drops it. Idempotent. */
  drop(): Promise<void>;
}

/** Makes an empty database, with its files in a tablespace if one is named. Migrating it is the caller's. */
export async function createTestDatabase(
  adminUrl = testEnvironment().databaseUrl,
  tablespace = 'pg_default',
): Promise<TestDatabase> {
  const name = `t_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, `CREATE DATABASE ${name} TABLESPACE ${tablespace}`);
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const drop = () => asAdmin(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  return { name, url: url.href, drop, [Symbol.asyncDispose]: drop };
}

async function asAdmin(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
