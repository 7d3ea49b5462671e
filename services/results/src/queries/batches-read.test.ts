import { newBatchId } from '@cronium/contracts';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { openService } from '../test/service.ts';

const JOBS = 2001;
const LARGE = [1, 500, 1000, 1001, 2001];

test('all results of a batch come by line, whatever the pages and the outputs', async () => {
  await using service = await openService();
  const batchId = newBatchId();
  const { db } = service.deps;
  await sql`INSERT INTO batches (id, tenant, accepted, rejected, complete, created_ms, event_ms)
    VALUES (${batchId}, 'default', ${sql.lit(JOBS)}, 0, true, 1, 1)`.execute(db);
  await sql`INSERT INTO jobs (id, tenant, name, type, pool, batch_id, line, labels, payload, trace_id, received_ms, accepted_ms, stay_ms, state, attempt)
    SELECT 'job_' || lpad(((g * 7919) % 2003)::text, 12, '0'), 'default', 'line ' || g, 'script', 'default', ${batchId}, g, '{}', '{}', 'trace', 1, 1, 1,
      CASE WHEN g = 7 THEN 'running' ELSE 'succeeded' END, 2
    FROM generate_series(1, ${sql.lit(JOBS)}) g`.execute(db);
  await sql`INSERT INTO attempt_data (attempt_id, job_id, attempt, output, output_bytes)
    SELECT id || '.2', id, 2, output, length(output)
    FROM (SELECT id, '"' || repeat('x', CASE WHEN line = ANY(${LARGE}::integer[]) THEN 20000 ELSE line % 5 END) || '"' AS output
      FROM jobs WHERE line % 2 = 0 OR line = ANY(${LARGE}::integer[])) told`.execute(db);
  const text = await (await service.get(`/v1/batches/${batchId}/results`)).text();
  const results = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const lines = Array.from({ length: JOBS }, (_, index) => index + 1).filter((line) => line !== 7);
  expect(results.map(({ name }) => name)).toEqual(lines.map((line) => `line ${line}`));
  const lengths = lines.map((line) =>
    LARGE.includes(line) ? 20_000 : line % 2 === 0 ? line % 5 : undefined,
  );
  expect(results.map(({ output }) => output?.length)).toEqual(lengths);
});
