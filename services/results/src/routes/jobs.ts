import { attemptIdOf, isTerminal, JOB_STATES, type JobState } from '@cronium/contracts';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { NO_QUERY, readQuery } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { logFormat } from '../logs/format.ts';
import { findMatches, lineAt } from '../logs/matches.ts';
import { type LogRequest, readLog } from '../logs/read.ts';
import { toFacts } from '../queries/attempts-write.ts';
import { listJobs } from '../queries/jobs-list.ts';
import { attemptData, attemptRow, attemptsOf, type JobRow, logPositions } from '../queries/jobs-read.ts';
import { lastDelivery } from '../queries/webhooks.ts';
import { cursorOf } from './cursor.ts';
import { locateJob } from './locate.ts';
import { paging, time } from './paging.ts';
import { bytesResponse } from './streams.ts';
import { toSummary, toView } from './views.ts';

const states = z
  .string()
  .transform((text) => text.split(','))
  .pipe(z.array(z.enum(JOB_STATES)));
const LABEL = /^[^:=]+[:=]/;
/** One, or as many as are given. */
const labels = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => [given].flat())
  .refine((all) => all.every((one) => LABEL.test(one)), { error: 'must be name=value or name:value' })
  .transform((all) => all.map((one) => one.replace(/[:=]/, '=')));
const positive = z
  .string()
  .regex(/^[1-9]\d{0,8}$/, { error: 'must be a whole number from 1' })
  .transform(Number);
const count = z
  .string()
  .regex(/^\d{1,15}$/, { error: 'must be a whole number from 0' })
  .transform(Number);
const flag = z.enum(['true', 'false', '1', '0', '']).transform((text) => text !== 'false' && text !== '0');

export const listQuery = z.strictObject({
  state: states.optional(),
  batch: z.string().optional(),
  pool: z.string().optional(),
  label: labels.optional(),
  name: z.string().optional(),
  from: time.optional(),
  to: time.optional(),
  ...paging(100),
});

export const logsQuery = z.strictObject({
  attempt: positive.optional(),
  stream: z.enum(['stdout', 'stderr', 'fleet']).optional(),
  after: count.optional(),
  follow: flag.optional(),
  limit: positive.optional(),
});

export const matchesQuery = z.strictObject({
  attempt: positive.optional(),
  stream: z.enum(['stdout', 'stderr', 'fleet']).optional(),
  text: z.string().max(1000).optional(),
  after: count.default(0),
});

/** Unix milliseconds, fractions allowed. */
export const lineQuery = z.strictObject({
  attempt: positive.optional(),
  at: z
    .string()
    .regex(/^\d{1,15}(\.\d+)?$/, { error: 'must be a Unix time in milliseconds' })
    .transform(Number),
});

const attemptQuery = z.strictObject({ attempt: positive.optional() });

/** Jobs, one by one and in lists, their logs and deaths. */
export function jobRoutes(deps: Deps): Hono<Env> {
  const { db } = deps;
  const app = new Hono<Env>();

  app.get('/', async (c) => {
    const { state, label: labels, cursor, limit, ...rest } = readQuery(c, listQuery);
    const filter = { ...rest, states: state, labels, tenant: c.get('principal').tenant };
    const { rows, next } = await listJobs(db, { ...filter, after: cursor, limit });
    return c.json({ jobs: rows.map(toSummary), cursor: next && cursorOf(next) });
  });

  app.get('/:id', async (c) => {
    readQuery(c, NO_QUERY);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    const [attempts, data, delivery] = await Promise.all([
      attemptsOf(db, job.id),
      attemptData(db, attemptIdOf(job.id, job.attempt)),
      isTerminal(job.state as JobState) ? lastDelivery(db, job.id) : undefined,
    ]);
    const ids = attempts.map(({ id }) => id);
    return c.json(toView({ job, attempts, logs: await logPositions(db, ids), data, delivery }));
  });

  app.get('/:id/logs', async (c) => {
    const query = readQuery(c, logsQuery);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    const attempt = attemptWithLog(job, query.attempt);
    const lastEventId = count.safeParse(c.req.header('last-event-id') ?? '').data;
    const request: LogRequest = {
      jobId: job.id,
      attempt,
      stream: query.stream,
      after: lastEventId ?? query.after ?? 0,
      follow: query.follow ?? false,
      limit: query.limit,
      signal: AbortSignal.any([deps.signal, c.req.raw.signal]),
    };
    const format = logFormat(c.req.header('accept'));
    return bytesResponse(c, formatted(deps, request, format), format.contentType, {
      'Cronium-Attempt': String(attempt),
      'X-Content-Type-Options': 'nosniff',
    });
  });

  app.get('/:id/logs/matches', async (c) => {
    const query = readQuery(c, matchesQuery);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    const attempt = attemptWithLog(job, query.attempt);
    const signal = AbortSignal.any([deps.signal, c.req.raw.signal]);
    return c.json(
      await findMatches(deps, { ...query, stream: query.stream, jobId: job.id, attempt, signal }),
    );
  });

  app.get('/:id/logs/line', async (c) => {
    const query = readQuery(c, lineQuery);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    const attempt = attemptWithLog(job, query.attempt);
    return c.json({ attempt, line: await lineAt(deps, { jobId: job.id, attempt, timeMs: query.at }) });
  });

  app.get('/:id/death', async (c) => {
    const query = readQuery(c, attemptQuery);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    const attempt = query.attempt ?? job.attempt;
    const row = await attemptRow(db, attemptIdOf(job.id, attempt));
    const death = row && toFacts(row).outcome?.death;
    if (death) return c.json(death);
    if (attempt === job.attempt && !isTerminal(job.state as JobState))
      throw problems.notFound(`death of job ${job.id}: it has not ended, it is ${job.state}`);
    throw problems.notFound(`death of attempt ${attempt} of job ${job.id}: it ${fate(row?.state)}`);
  });
  return app;
}

/** One that is not there yet may be waited for. */
function attemptWithLog(job: JobRow, wanted: number | undefined): number {
  const attempt = wanted ?? Math.max(1, job.attempt);
  if (attempt > job.attempt + 1) throw problems.notFound(`attempt ${attempt} of job ${job.id}`);
  return attempt;
}

function fate(state: string | undefined): string {
  if (state === undefined) return 'was never made';
  return state === 'succeeded' ? 'succeeded' : `is ${state}`;
}

async function* formatted(
  deps: Deps,
  request: LogRequest,
  format: ReturnType<typeof logFormat>,
): AsyncGenerator<Uint8Array> {
  for await (const records of readLog(deps, request)) {
    const bytes = format.write(records);
    if (bytes !== undefined) yield bytes;
  }
}
