import { Kysely, PostgresDialect } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import pg from 'pg';
import { migrations } from '../migrations/index.ts';

/** Thrown when the database cannot be brought to this version; nothing of the failed run is kept. */
export class MigrationError extends Error {
  readonly code = 'MIGRATION';

  constructor(message: string, options: ErrorOptions) {
    super(message, options);
    this.name = 'MigrationError';
  }
}

/**
 * Runs the migrations that are missing, in one transaction: all or nothing. Of several processes one does it under an
 * advisory lock, the others wait for it.
 * @returns the names of those that ran
 * @throws MigrationError
 */
export async function migrate(
  url: string,
  all: Readonly<Record<string, Migration>> = migrations,
): Promise<readonly string[]> {
  // A connection of its own, without the service's time limits: a migration may take long.
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 5000 });
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...all }) } });
    const { error, results = [] } = await migrator.migrateToLatest();
    if (error !== undefined) throw failure(error, results);
    return results.map(({ migrationName }) => migrationName);
  } finally {
    await db.destroy();
  }
}

function failure(error: unknown, results: readonly { migrationName: string; status: string }[]): unknown {
  const failed = results.find(({ status }) => status === 'Error');
  // Without a failed migration it is the connection that failed; the caller tells those apart by their own code.
  if (failed === undefined) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new MigrationError(`migration ${failed.migrationName} failed, nothing was changed: ${why}`, {
    cause: error,
  });
}
