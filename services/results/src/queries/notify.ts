import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** The channel on which a transaction says, when it commits, of which jobs something changed. */
export const CHANGES_CHANNEL = 'cronium_changes';

/** A notification holds at most 8,000 bytes; a job id has 16. */
const IDS_EACH = 400;

/** Tells every results process, at the commit, that something of these jobs changed. */
export async function notify(db: Kysely<Database>, jobIds: readonly string[]): Promise<void> {
  for (let at = 0; at < jobIds.length; at += IDS_EACH) {
    const payload = jobIds.slice(at, at + IDS_EACH).join(' ');
    await sql`SELECT pg_notify(${CHANGES_CHANNEL}, ${payload})`.execute(db);
  }
}
