import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { newJobId } from '@cronium/contracts';
import { createMetrics } from '@cronium/telemetry';
import { eventually, smallDisk, testEnvironment } from '@cronium/testing';
import { type Kysely, sql } from 'kysely';
import pg from 'pg';
import { expect, test } from 'vitest';
import { createApp } from '../app.ts';
import { getJob } from '../queries/jobs-read.ts';
import { payloadOf, successOf } from '../test/fleet.ts';
import { openService } from '../test/service.ts';
import { openDatabase } from './database.ts';
import { withRetry } from './retry.ts';
import type { Database } from './schema.ts';

/** Ends every connection but the one that asks, in the middle of whatever they do. */
async function dropConnections(db: Kysely<Database>): Promise<void> {
  await withRetry(() =>
    sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()`.execute(db),
  );
}

test('reports get through although PostgreSQL drops its connections again and again', async () => {
  await using service = await openService();
  const { db } = service.deps;
  const auth = await service.fleet.nodeAuth();
  const report = (id: string) =>
    // As a worker does: again, until it is acknowledged.
    eventually(
      async () => (await service.send('POST', '/internal/v1/attempts', successOf(id), auth)).status === 200,
      { what: `the report of ${id} is stored` },
    );
  for (let round = 0; round < 15; round++) {
    const ids = [newJobId(), newJobId(), newJobId()];
    await Promise.all([...ids.map(report), dropConnections(db)]);
    for (const id of ids) expect((await withRetry(() => getJob(db, id)))?.state).toBe('succeeded');
  }
});

test('while PostgreSQL is away nothing is acknowledged: 503 with Retry-After, and /ready names it', async () => {
  await using service = await openService();
  const db = openDatabase({ url: 'postgres://postgres@127.0.0.1:1/none', connections: 2 });
  const app = createApp({ ...service.deps, db, metrics: createMetrics('results') });
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
      await dropConnections(db);
    }
  }
  await eventually(async () => (await valkey.xlen(keys.events)) === 0, {
    what: 'all events are stored',
    timeoutMs: 30_000,
  });
  for (const id of ids) expect((await getJob(db, id))?.state).toBe('queued');
});

test('a full disk: what was not stored is not acknowledged, and all of it is stored when there is room again', async () => {
  await using stack = new AsyncDisposableStack();
  const { disk, tablespace } = await openSmallTablespace(stack);
  const service = stack.use(await openService({ tablespace }));
  const { db, valkey, keys } = service.deps;
  service.start();
  disk.fill();
  const auth = await service.fleet.nodeAuth();
  const stored: string[] = [];
  const send = (id: string) =>
    service.send('POST', '/internal/v1/attempts', successOf(id, 1, hardlyCompressible(id)), auth);
  let id = newJobId();
  let response = await send(id);
  while (response.status === 200) {
    stored.push(id);
    id = newJobId();
    response = await send(id);
  }
  expect([response.status, response.headers.get('retry-after')]).toEqual([503, '2']);
  expect(await getJob(db, id)).toBeUndefined();
  const submitted = newJobId();
  await service.fleet.submit(submitted, hardlyCompressible(submitted));
  for (const one of stored) expect((await getJob(db, one))?.state).toBe('succeeded');
  expect(await valkey.xlen(keys.events)).toBe(1);
  disk.free();
  expect((await send(id)).status).toBe(200);
  expect((await getJob(db, id))?.state).toBe('succeeded');
  await eventually(async () => (await valkey.xlen(keys.events)) === 0, { what: 'the event is stored' });
  expect((await getJob(db, submitted))?.state).toBe('queued');
});

/** A tablespace of the test's own on a disk of 48 MiB. */
async function openSmallTablespace(stack: AsyncDisposableStack) {
  const admin = new pg.Client({ connectionString: testEnvironment().databaseUrl });
  await admin.connect();
  stack.defer(() => admin.end());
  const { rows } = await admin.query<{ data_directory: string }>('SHOW data_directory');
  const disk = stack.use(smallDisk(48, statSync(rows[0]?.data_directory ?? '')));
  const tablespace = `small_${randomBytes(4).toString('hex')}`;
  await admin.query(`CREATE TABLESPACE ${tablespace} LOCATION '${disk.folder}'`);
  stack.defer(async () => void (await admin.query(`DROP TABLESPACE ${tablespace}`)));
  return { disk, tablespace };
}

/** It takes new pages, whatever room there is in others. */
function hardlyCompressible(id: string) {
  const source = `: ${randomBytes(30_000).toString('hex')}`;
  return payloadOf(id, {}, { script: { language: 'bash', source } });
}
