import type { Logger } from '@cronium/telemetry';
import type { Kysely } from 'kysely';
import { type SecretBox, UnsealError } from '../auth/secret-box.ts';
import type { Database } from '../db/schema.ts';
import { resealRow, rowsNotSealedWith } from '../queries/sealed.ts';

/**
 * Seals with the present key what an older one sealed, so that the older one can be taken out of the configuration. What
 * cannot be opened stays as it is and is logged. Values that are changed meanwhile are left to who changes them.
 * @returns how many were sealed anew
 */
export async function resealStored(
  db: Kysely<Database>,
  { box, log }: { box: SecretBox; log: Pick<Logger, 'info' | 'warn'> },
): Promise<number> {
  const { keyId } = box;
  if (keyId === undefined) return 0;
  let resealed = 0;
  for (const row of await rowsNotSealedWith(db, keyId)) {
    try {
      if (await resealRow(db, row, box)) resealed += 1;
    } catch (error) {
      if (!(error instanceof UnsealError)) throw error;
      log.warn(
        { err: error, kind: row.kind, tenant: row.tenant, name: row.name },
        'a stored value cannot be opened',
      );
    }
  }
  if (resealed > 0)
    log.info({ values: resealed, key: keyId }, 'stored values were sealed with the present key');
  return resealed;
}
