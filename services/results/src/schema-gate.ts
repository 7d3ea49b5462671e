import { retry } from '@cronium/lifecycle';
import type { Logger } from '@cronium/telemetry';
import { migrate } from './db/migrate.ts';
import { isAway } from './db/retry.ts';

/** Whether the tables are there; requests are put off until they are. */
export class SchemaGate {
  #open = false;

  get isOpen(): boolean {
    return this.#open;
  }

  /** For tests, whose database is migrated already. */
  open(): void {
    this.#open = true;
  }

  /**
   * Brings the database to this version; waits for it while it is away.
   * @throws MigrationError, or the signal's reason
   */
  async migrate(url: string, { log, signal }: { log: Logger; signal: AbortSignal }): Promise<void> {
    const ran = await retry(() => migrate(url), {
      signal,
      attempts: Number.POSITIVE_INFINITY,
      maxMs: 3000,
      when: isAway,
      onRetry: ({ error, attempt }) => {
        if (attempt === 1)
          log.error(
            { err: error },
            'PostgreSQL is away; start it, or set CRONIUM_DATABASE_URL right. Waiting for it',
          );
      },
    });
    if (ran.length > 0) log.info({ migrations: ran }, 'the database was brought up to date');
    this.#open = true;
  }
}
