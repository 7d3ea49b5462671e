import type { Kysely } from 'kysely';
import type { Principal } from '../auth/api-keys.ts';
import type { Database } from '../db/schema.ts';

/** Writes down who changed what. */
export async function audit(
  db: Kysely<Database>,
  { tenant, actor }: Pick<Principal, 'tenant' | 'actor'>,
  { action, target, detail }: { action: string; target: string; detail?: string },
): Promise<void> {
  await db
    .insertInto('audit')
    .values({ at_ms: Date.now(), tenant, actor, action, target, detail: detail ?? null })
    .execute();
}
