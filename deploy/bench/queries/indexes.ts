import type pg from 'pg';

const TABLES = [
  'jobs',
  'attempts',
  'attempt_data',
  'attempt_logs',
  'spans',
  'log_records',
  'audit',
  'artifacts',
];

/**
 * Drops the indexes that are no keys.
 * @returns what makes them again
 */
export async function dropIndexes(
  client: pg.Client,
): Promise<(say: (line: string) => void) => Promise<void>> {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `SELECT c.relname AS name, pg_get_indexdef(c.oid) AS definition
     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
     WHERE t.relname = ANY($1) AND NOT i.indisunique AND NOT c.relispartition ORDER BY 1`,
    [TABLES],
  );
  for (const { name } of rows) await client.query(`DROP INDEX ${name}`);
  return async (say) => {
    for (const { name, definition } of rows) {
      const startedAt = performance.now();
      await client.query(definition.replace(' ON ONLY ', ' ON '));
      say(`  index ${name}: ${((performance.now() - startedAt) / 1000).toFixed(0)} s`);
    }
  };
}
