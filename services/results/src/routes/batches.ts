import {
  BATCH_ID,
  type BatchFailures,
  type BatchResult,
  type BatchView,
  isTerminal,
  JOB_STATES,
  type JobState,
} from '@cronium/contracts';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { NO_QUERY, readQuery } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { failuresOfBatch } from '../queries/batch-failures.ts';
import {
  type BatchNumbers,
  type BatchRow,
  batchNumbers,
  type EndedJob,
  endedJobs,
  getBatch,
  listBatches,
} from '../queries/batches-read.ts';
import { announcedBatch } from '../queue/announced.ts';
import { pageOf, paging } from './paging.ts';
import { ndjsonStream } from './streams.ts';
import { isoTime } from './views.ts';

const listQuery = z.strictObject(paging(50));

/** Batches, their numbers and their results. */
export function batchRoutes(deps: Deps): Hono<Env> {
  const { db } = deps;
  const app = new Hono<Env>();

  app.get('/', async (c) => {
    const { limit, cursor } = readQuery(c, listQuery);
    const rows = await listBatches(db, {
      tenant: c.get('principal').tenant,
      limit: limit + 1,
      after: cursor && { createdMs: cursor.ms, id: cursor.id },
    });
    const { page, cursor: next } = pageOf(rows, limit, ({ created_ms, id }) => ({ ms: created_ms, id }));
    const numbers = await batchNumbers(
      db,
      page.map(({ id }) => id),
    );
    return c.json({ batches: page.map((row) => toBatchView(row, numbers.get(row.id))), cursor: next });
  });

  app.get('/:id', async (c) => {
    readQuery(c, NO_QUERY);
    const row = await locateBatch(deps, c.get('principal').tenant, c.req.param('id'));
    return c.json(toBatchView(row, (await batchNumbers(db, [row.id])).get(row.id)));
  });

  app.get('/:id/failures', async (c) => {
    const { id } = await locateBatch(deps, c.get('principal').tenant, c.req.param('id'));
    return c.json({ groups: await failuresOfBatch(db, id) } satisfies BatchFailures);
  });

  app.get('/:id/results', async (c) => {
    readQuery(c, NO_QUERY);
    const { tenant } = c.get('principal');
    const { id } = await locateBatch(deps, tenant, c.req.param('id'));
    return ndjsonStream(c, results(endedJobs(db, { tenant, batchId: id })));
  });
  return app;
}

/** A batch that was just accepted may still be an event in Valkey. */
export async function locateBatch(
  { db, valkey, keys }: Pick<Deps, 'db' | 'valkey' | 'keys'>,
  tenant: string,
  id: string,
): Promise<BatchRow> {
  const missing = problems.notFound(`batch ${id.slice(0, 100)}`);
  if (!BATCH_ID.test(id)) throw missing;
  const row =
    (await getBatch(db, tenant, id)) ??
    (await announcedBatch(valkey, keys, id)) ??
    (await getBatch(db, tenant, id));
  if (row === undefined || row.tenant !== tenant) throw missing;
  return row;
}

async function* results(pages: AsyncIterable<readonly EndedJob[]>): AsyncGenerator<readonly BatchResult[]> {
  for await (const page of pages) yield page.map(toResult);
}

function toResult(job: EndedJob): BatchResult {
  return {
    id: job.id,
    name: job.name,
    state: job.state as JobState,
    exitCode: job.exit_code,
    output: job.output === null ? null : JSON.parse(job.output),
    attempts: job.attempt,
    startedAt: isoTime(job.started_ms),
    endedAt: isoTime(job.ended_ms),
  };
}

/** A batch as the API shows it. */
export function toBatchView(row: BatchRow, numbers: BatchNumbers | undefined): BatchView {
  const counts = Object.fromEntries(
    JOB_STATES.map((state) => [state, numbers?.counts.get(state) ?? 0]),
  ) as BatchView['counts'];
  const known = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const total = Math.max(row.accepted, known);
  // Accepted jobs whose rows are on their way wait in the queue.
  counts.queued += total - known;
  const ended = JOB_STATES.filter(isTerminal).reduce((sum, state) => sum + counts[state], 0);
  const done = row.complete && ended === total;
  const quantile = (share: number) => numbers?.run.quantile(share) ?? null;
  return {
    id: row.id,
    name: row.name,
    accepted: total,
    rejected: row.rejected,
    complete: row.complete,
    counts,
    ended,
    total,
    progress: total === 0 ? (done ? 1 : 0) : ended / total,
    percentiles: { p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) },
    etaSeconds: done ? 0 : etaSeconds({ ended, total, firstStartMs: numbers?.firstStartMs ?? null }),
    createdAt: isoTime(row.created_ms),
    endedAt: done ? isoTime(numbers?.lastEndMs ?? row.created_ms) : null,
  };
}

/** At the pace since the first job started. */
function etaSeconds({
  ended,
  total,
  firstStartMs,
}: {
  ended: number;
  total: number;
  firstStartMs: number | null;
}): number | null {
  if (ended === 0 || firstStartMs === null) return null;
  const elapsedMs = Math.max(1, Date.now() - firstStartMs);
  return Math.round((elapsedMs / ended) * (total - ended)) / 1000;
}
