import { newJobId } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { createApp } from '../app.ts';
import { getJob } from '../queries/jobs-read.ts';
import { payloadOf, successOf } from '../testing/fleet.ts';
import { openService } from '../testing/service.ts';
import { openDatabase } from './database.ts';

test('reports get through although PostgreSQL drops its connections again and again', async () => {
  await using service = await openService();
  const { db } = service.deps;
  const auth = await service.fleet.nodeAuth();
  const ids = Array.from({ length: 60 }, newJobId);
  let sending = true;
  const dropping = (async () => {
    while (sending) {
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`
        .execute(db)
        .catch(() => undefined);
    }
  })();
  const report = async (id: string) => {
    // As a worker does: again, until it is acknowledged.
    await eventually(
      async () => (await service.send('POST', '/internal/v1/attempts', successOf(id), auth)).status === 200,
      {
        what: `the report of ${id} is stored`,
      },
    );
  };
  await Promise.all(ids.slice(0, 20).map(report));
  sending = false;
  await dropping;
  for (const id of ids.slice(0, 20)) expect((await getJob(db, id))?.state).toBe('succeeded');
});

test('while PostgreSQL is away nothing is acknowledged: 503 with Retry-After, and /ready names it', async () => {
  await using service = await openService();
  const db = openDatabase({ url: 'postgres://postgres@127.0.0.1:1/none', connections: 2 });
  const app = createApp({ ...service.deps, db });
  const response = await app.request('/internal/v1/attempts', {
    method: 'POST',
    headers: await service.fleet.nodeAuth(),
    body: JSON.stringify(successOf(newJobId())),
  });
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
  const ready = await app.request('/ready');
  expect(JSON.stringify(await ready.json())).toContain('CRONIUM_DATABASE_URL');
  await db.destroy();
});

test('events wait in Valkey while their consumer is broken off, and are stored when it is back', async () => {
  await using service = await openService();
  const { db, valkey, keys } = service.deps;
  service.start();
  const ids = Array.from({ length: 40 }, newJobId);
  for (const [index, id] of ids.entries()) {
    await service.fleet.submit(id, payloadOf(id));
    if (index % 10 === 0) {
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`
        .execute(db)
        .catch(() => undefined);
    }
  }
  await eventually(async () => (await valkey.xlen(keys.events)) === 0, {
    what: 'all events are stored',
    timeoutMs: 30_000,
  });
  for (const id of ids) expect((await getJob(db, id))?.state).toBe('queued');
});
