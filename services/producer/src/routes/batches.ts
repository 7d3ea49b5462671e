import {
  acceptedBatch,
  BATCH_ID,
  batchIdForKey,
  jobSpec,
  newBatchId,
  TERMINAL_STATES,
} from '@cronium/contracts';
import { HttpProblem } from '@cronium/http';
import { z } from 'zod';
import type { App, Services } from '../app-env.ts';
import { auditEvent } from '../http/audit.ts';
import { openBody } from '../http/body.ts';
import { linesOf } from '../http/lines.ts';
import { type AppContext, mediaType, pathId, query, withJsonBody } from '../http/request.ts';
import { batchDocument, jobsOfDocument, readBatchDocument } from '../intake/batch-document.ts';
import type { Batch, BatchProgress } from '../intake/batch-writer.ts';
import { idempotencyKey } from '../intake/idempotency.ts';
import { readLine } from '../intake/read-job.ts';
import { type JobSource, takeAtomicBatch, takeBatch } from '../intake/upload.ts';
import { problems } from '../problems.ts';
import { requestBatchCancel } from '../queue/cancel.ts';
import { type RetryJob, retryJobs } from '../queue/retry.ts';
import { withValkey } from '../valkey/connection.ts';
import {
  body,
  describe,
  idempotencyHeader,
  json,
  pathParameter,
  queryParameter,
  type RouteDescription,
  traceparentHeader,
} from './openapi.ts';

const NDJSON = ['application/x-ndjson', 'application/ndjson', 'application/jsonl'] as const;
const MEDIA_TYPES = [...NDJSON, 'application/json'];
const RETRY_CHUNK = 500;

const batchQuery = z.strictObject({
  name: z.string().max(200).optional(),
  atomic: z.enum(['true', 'false']).default('false'),
});
const retryQuery = z.strictObject({ state: z.enum(TERMINAL_STATES).default('failed') });
const batchCancelling = z.object({ batchId: z.string(), cancelling: z.literal(true) });
const batchRetried = z.object({ batchId: z.string(), retried: z.int().nonnegative() });

const SUBMIT: RouteDescription = {
  method: 'post',
  path: '/v1/batches',
  summary: 'Submit many jobs',
  description:
    'NDJSON: one job a line, streamed, of any length; blank lines are skipped. JSON: one document. gzip and zstd are understood. ' +
    'Lines that are not valid are reported, the others run. When the body breaks off, what was accepted stays accepted; with an ' +
    'Idempotency-Key the same body sent again adds only what is missing.',
  request: {
    query: [
      queryParameter('name', 'The name of an NDJSON batch.', { type: 'string', maxLength: 200 }),
      queryParameter('atomic', 'All jobs or, when one is not valid, none.', {
        type: 'boolean',
        default: false,
      }),
    ],
    headers: [idempotencyHeader, traceparentHeader],
    body: body({ 'application/x-ndjson': jobSpec, 'application/json': batchDocument }),
  },
  success: { status: 202, ...json('The good jobs are accepted.', acceptedBatch) },
  problems: [400, 408, 413, 415, 422, 429, 503],
};

const CANCEL: RouteDescription = {
  method: 'post',
  path: '/v1/batches/{id}/cancel',
  summary: 'Cancel all jobs of a batch',
  description: 'All that were accepted so far and have not ended.',
  request: { params: [pathParameter('id', 'The batch.')] },
  success: { status: 202, ...json('The jobs will end as cancelled.', batchCancelling) },
  problems: [404, 503],
};

const RETRY: RouteDescription = {
  method: 'post',
  path: '/v1/batches/{id}/retry',
  summary: 'Run the ended jobs of a batch again',
  request: {
    params: [pathParameter('id', 'The batch.')],
    query: [
      queryParameter('state', 'Which ones.', { type: 'string', enum: TERMINAL_STATES, default: 'failed' }),
    ],
  },
  success: { status: 202, ...json('So many jobs are in the queue again.', batchRetried) },
  problems: [400, 404, 503],
};

/** `/v1/batches` and what can be done with one batch. */
export function batchRoutes(app: App, services: Services): void {
  describe(app, SUBMIT);
  app.post('/v1/batches', (context) => submit(context, services));
  describe(app, CANCEL);
  app.post('/v1/batches/:id/cancel', (context) => cancel(context, services));
  describe(app, RETRY);
  app.post('/v1/batches/:id/retry', (context) => retry(context, services));
}

async function submit(context: AppContext, services: Services): Promise<Response> {
  const type = mediaType(context, MEDIA_TYPES);
  const options = query(context, batchQuery);
  const key = idempotencyKey(context.req.header('idempotency-key'));
  using _slot = services.uploads.take();
  services.metrics.uploads.inc();
  try {
    const request = { context, services, key, atomic: options.atomic === 'true', name: options.name };
    const progress = type === 'application/json' ? await submitDocument(request) : await submitLines(request);
    return context.json(count(progress, services), 202);
  } catch (error) {
    if (error instanceof HttpProblem) count(error.problem, services);
    throw error;
  } finally {
    services.metrics.uploads.dec();
  }
}

interface SubmitRequest {
  readonly context: AppContext;
  readonly services: Services;
  readonly key: string | undefined;
  readonly atomic: boolean;
  readonly name: string | undefined;
}

function submitLines({ context, services, key, atomic, name }: SubmitRequest): Promise<BatchProgress> {
  const { limits, stopping: signal } = services;
  const bytes = openBody(context.req.raw, {
    idleMs: limits.idleMs,
    inflatedBytes: limits.inflatedBytes,
    signal,
  });
  return take(jobsOfLines(bytes, limits.jobBytes), {
    batch: newBatch(context, { key, name }),
    services,
    atomic,
  });
}

function submitDocument({ context, services, key, atomic, name }: SubmitRequest): Promise<BatchProgress> {
  return withJsonBody(context, services, {
    maxBytes: services.limits.jsonBatchBytes,
    run: async (value) => {
      const document = readBatchDocument(value);
      const batch = newBatch(context, { key, name: document.name ?? name });
      return take(jobsOfDocument(document), { batch, services, atomic });
    },
  });
}

async function* jobsOfLines(bytes: AsyncIterable<Uint8Array>, maxBytes: number): JobSource {
  for await (const lines of linesOf(bytes, maxBytes))
    yield lines.values().map((line) => readLine(line, maxBytes));
}

function newBatch(
  context: AppContext,
  { key, name }: { key: string | undefined; name: string | undefined },
): Batch {
  const { caller, trace, receivedAt } = context.var;
  const batchId = key === undefined ? newBatchId() : batchIdForKey(caller.tenant, key);
  return {
    batchId,
    name,
    submitted: auditEvent(context, { action: 'batch.submit', target: batchId, detail: name }),
    submission: { tenant: caller.tenant, trace, receivedAt, keyed: key !== undefined },
  };
}

function take(
  source: JobSource,
  { batch, services, atomic }: { batch: Batch; services: Services; atomic: boolean },
): Promise<BatchProgress> {
  const { queues, idempotency, limits, log, stopping: signal } = services;
  const deps = { queues, idempotency, limits, log, signal };
  return atomic ? takeAtomicBatch(source, batch, deps) : takeBatch(source, batch, deps);
}

function count<T extends object>(totals: T, { metrics }: Services): T {
  const { accepted, rejectedTotal } = z
    .object({ accepted: z.int().default(0), rejectedTotal: z.int().default(0) })
    .parse(totals);
  metrics.jobs.inc({ source: 'batch' }, accepted);
  metrics.rejected.inc(rejectedTotal);
  return totals;
}

/** @throws HttpProblem 404 when nobody, or another tenant, has this batch */
async function existingBatch(context: AppContext, services: Services): Promise<string> {
  const id = pathId(context, 'id', { pattern: BATCH_ID, what: 'batch' });
  const { queues, results } = services;
  const tenant = await withValkey(() => queues.valkey.get(queues.keys.batch(id)));
  const exists =
    tenant === null
      ? await results.hasBatch(id, context.req.header('authorization') ?? '')
      : tenant === context.var.caller.tenant;
  if (!exists) throw problems.notFound(`batch ${id}`);
  return id;
}

async function cancel(context: AppContext, services: Services): Promise<Response> {
  const batchId = await existingBatch(context, services);
  const told = auditEvent(context, { action: 'batch.cancel', target: batchId });
  await requestBatchCancel(services.queues, batchId, { by: context.var.caller, told });
  return context.json({ batchId, cancelling: true as const }, 202);
}

async function retry(context: AppContext, services: Services): Promise<Response> {
  const { state } = query(context, retryQuery);
  const batchId = await existingBatch(context, services);
  const jobs = await services.results.batchJobs(batchId, state, context.req.header('authorization') ?? '');
  if (jobs === undefined) throw problems.notFound(`batch ${batchId}`);
  let retried = 0;
  let chunk: RetryJob[] = [];
  const send = async () => {
    await retryJobs(services.queues, chunk, context.var.caller.name);
    retried += chunk.length;
    chunk = [];
  };
  for await (const job of jobs) {
    chunk.push(job);
    if (chunk.length >= RETRY_CHUNK) await send();
  }
  await send();
  const detail = `${retried} that were ${state}`;
  await services.queues.announce([auditEvent(context, { action: 'batch.retry', target: batchId, detail })]);
  return context.json({ batchId, retried }, 202);
}
