import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openService, type TestService } from '../test/service.ts';
import { type JobFilter, listJobs } from './jobs-list.ts';

const JOBS = 25_000;
let service: TestService;

beforeAll(async () => {
  service = await openService();
  await sql`INSERT INTO jobs (id, tenant, name, type, pool, line, labels, payload, trace_id, received_ms, accepted_ms, stay_ms, state)
    SELECT 'job_' || lpad(g::text, 12, '0'), 'default', CASE WHEN g % 10007 = 3 THEN 'the odd one' ELSE 'plain' END, 'script',
      CASE WHEN g = 7 THEN 'edge' ELSE 'default' END, 0,
      CASE WHEN g % 5000 = 9 THEN '{kind=rare}'::text[] WHEN g <= 3000 THEN '{kind=former}'::text[] ELSE '{kind=usual}'::text[] END, '{}', 'trace', g, g / 10, g,
      CASE WHEN g % 2 = 0 THEN 'failed' ELSE 'queued' END
    FROM generate_series(1, ${sql.lit(JOBS)}) g`.execute(service.deps.db);
});
afterAll(() => service[Symbol.asyncDispose]());

/** Goes through all pages. */
async function all(
  filter: Omit<JobFilter, 'tenant' | 'limit'>,
  limit = 100,
): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  let after: JobFilter['after'];
  for (let pages = 1; ; pages++) {
    const { rows, next } = await listJobs(service.deps.db, { ...filter, tenant: 'default', limit, after });
    expect(rows.length).toBeLessThanOrEqual(limit);
    ids.push(...rows.map(({ id }) => Number(id.slice(4)).toString()));
    if (next === null) return { ids, pages };
    after = next;
  }
}

test('a filter that no index knows costs a bounded look for each page, and misses nothing', async () => {
  expect(await all({ pool: 'edge' })).toEqual({ ids: ['7'], pages: 6 });
  expect((await all({ name: 'ODD' })).ids).toEqual(['20017', '10010', '3']);
  expect((await all({ name: 'nobody' })).ids).toEqual([]);
  expect((await all({ states: ['failed', 'lost'], name: 'odd' })).ids).toEqual(['10010']);
});

test('a rare label is found at once, a usual one on the way', async () => {
  expect(await all({ labels: ['kind=rare'] })).toEqual({
    ids: ['20009', '15009', '10009', '5009', '9'],
    pages: 1,
  });
  expect(await all({ labels: ['kind=rare'], states: ['failed'] })).toEqual({ ids: [], pages: 1 });
  const usual = await all({ labels: ['kind=usual'] }, 1000);
  expect([usual.ids.length, new Set(usual.ids).size]).toEqual([JOBS - 3004, JOBS - 3004]);
});

test('a label that many jobs have, but none of the newest, is looked for page after page', async () => {
  const { ids, pages } = await all({ labels: ['kind=former'] }, 1000);
  expect([ids.length, ids[0], ids.at(-1)]).toEqual([2999, '3000', '1']);
  expect(pages).toBeGreaterThan(6);
  expect((await all({ labels: ['kind=former'], from: 100, to: 101 }, 4)).ids).toHaveLength(10);
});

test('pages by state meet each job once, in order, also those of one moment', async () => {
  const { ids } = await all({ states: ['failed'] }, 999);
  expect(ids.length).toBe(JOBS / 2);
  expect(ids).toEqual(ids.toSorted((a, b) => Number(b) - Number(a)));
});
