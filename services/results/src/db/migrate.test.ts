import { createTestDatabase } from '@cronium/testing';
import { sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import { expect, test } from 'vitest';
import { migrations } from '../migrations/index.ts';
import { openDatabase } from './database.ts';
import { migrate } from './migrate.ts';
import { Partitions } from './partitions.ts';

test('of several processes that migrate at once one does it, the others wait and find it done', async () => {
  await using database = await createTestDatabase();
  const ran = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url)));
  expect(ran.flat()).toEqual(Object.keys(migrations));
});

test('a migration that fails half-way leaves nothing, and says which one it was', async () => {
  await using database = await createTestDatabase();
  const broken: Migration = {
    up: async (db) => {
      await sql`CREATE TABLE half (id integer)`.execute(db);
      await sql`SELECT 1/0`.execute(db);
    },
  };
  await expect(migrate(database.url, { ...migrations, '9999-broken': broken })).rejects.toThrow(
    'migration 9999-broken failed, nothing was changed: division by zero',
  );
  const db = openDatabase({ url: database.url, connections: 2 });
  const { rows } = await sql<{ half: string | null; jobs: string | null }>`
    SELECT to_regclass('half') AS half, to_regclass('jobs') AS jobs`.execute(db);
  await db.destroy();
  expect(rows).toEqual([{ half: null, jobs: null }]);
  expect(await migrate(database.url)).toEqual(Object.keys(migrations));
});

test('daily tables are made once however many ask, and dropped when they are old', async () => {
  await using database = await createTestDatabase();
  await migrate(database.url);
  const db = openDatabase({ url: database.url, connections: 6 });
  try {
    const all = Array.from({ length: 4 }, () => new Partitions(db));
    await Promise.all(all.map((one) => one.ensure('log_chunks', ['2026-01-01', '2026-01-02', '2026-01-01'])));
    expect(await all[0]?.dropBefore('2026-01-02')).toEqual(['log_chunks_20260101']);
    expect(await all[0]?.dropBefore('2026-01-02')).toEqual([]);
  } finally {
    await db.destroy();
  }
});
