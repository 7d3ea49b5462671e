import type { FleetEvent, JobSpec, JobState } from '@cronium/contracts';
import {
  type AcceptedJob,
  acceptedJob,
  isTerminal,
  JOB_ID,
  jobIdForKey,
  jobSpec,
  newJobId,
  traceIdForJob,
} from '@cronium/contracts';
import type { App, Services } from '../app-env.ts';
import { ResultsUnavailableError } from '../errors.ts';
import { auditEvent } from '../http/audit.ts';
import { type AppContext, mediaType, pathId, withJsonBody } from '../http/request.ts';
import { idempotencyKey } from '../intake/idempotency.ts';
import { newJob, type Submission } from '../intake/new-job.ts';
import { readJob } from '../intake/read-job.ts';
import { problems } from '../problems.ts';
import { requestCancel } from '../queue/cancel.ts';
import { findJob, type QueuedJob } from '../queue/find.ts';
import { isHeld, retryJobs } from '../queue/retry.ts';
import {
  body,
  describe,
  idempotencyHeader,
  json,
  pathParameter,
  type RouteDescription,
  traceparentHeader,
} from './openapi.ts';
import { cancelling } from './schemas.ts';

const SUBMIT: RouteDescription = {
  method: 'post',
  path: '/v1/jobs',
  summary: 'Submit one job',
  description:
    'The job is in the queue when this answers. With an Idempotency-Key a repeat gives the same id, and the job runs once.',
  request: { headers: [idempotencyHeader, traceparentHeader], body: body({ 'application/json': jobSpec }) },
  success: { status: 202, ...json('The job is accepted.', acceptedJob) },
  problems: [400, 408, 413, 415, 422, 429, 503],
};

const CANCEL: RouteDescription = {
  method: 'post',
  path: '/v1/jobs/{id}/cancel',
  summary: 'Cancel a job',
  description: 'A waiting job will not start; a running one is stopped.',
  request: { params: [pathParameter('id', 'The job.')] },
  success: {
    status: 202,
    ...json('The job will end as cancelled, unless it ends by itself first.', cancelling),
  },
  problems: [404, 409, 503],
};

const RETRY: RouteDescription = {
  method: 'post',
  path: '/v1/jobs/{id}/retry',
  summary: 'Run an ended job again',
  description: 'Under its own id, with its spec as it was; attempts count on.',
  request: { params: [pathParameter('id', 'The job.')] },
  success: { status: 202, ...json('The job is in the queue again.', acceptedJob) },
  problems: [404, 409, 503],
};

/** `/v1/jobs` and what can be done with one job. */
export function jobRoutes(app: App, services: Services): void {
  describe(app, SUBMIT);
  app.post('/v1/jobs', (context) => submit(context, services));
  describe(app, CANCEL);
  app.post('/v1/jobs/:id/cancel', (context) => cancel(context, services));
  describe(app, RETRY);
  app.post('/v1/jobs/:id/retry', (context) => retry(context, services));
}

async function submit(context: AppContext, services: Services): Promise<Response> {
  mediaType(context, ['application/json']);
  const key = idempotencyKey(context.req.header('idempotency-key'));
  services.queues.lookAhead();
  const accepted = await withJsonBody(context, services, {
    maxBytes: services.limits.jobBytes,
    run: async (value) => {
      const read = readJob(value);
      if (read.errors) throw problems.invalid(read.errors, 'job');
      const submission: Submission = {
        tenant: context.var.caller.tenant,
        trace: context.var.trace,
        receivedAt: context.var.receivedAt,
        keyed: key !== undefined,
      };
      const submitted = (id: string) => auditEvent(context, { action: 'job.submit', target: id });
      return key === undefined
        ? enqueue(read.spec, { submission, services, submitted })
        : enqueueOnce(read.spec, { submission, services, submitted, key });
    },
  });
  return context.json(accepted, 202);
}

interface Enqueuing {
  readonly submission: Submission;
  readonly services: Services;
  /** The audit log's event of a job's submit. */
  submitted(jobId: string): FleetEvent;
}

async function enqueue(spec: JobSpec, { submission, services, submitted }: Enqueuing): Promise<AcceptedJob> {
  const job = newJob(spec, { id: newJobId(), submission });
  await services.queues.add([job], [submitted(job.id)]);
  services.metrics.jobs.inc({ source: 'single' });
  return { id: job.id, state: 'queued', traceId: job.traceId };
}

/** However often this comes with one key, there is one job; it is in the queue when the first call answers. */
async function enqueueOnce(
  spec: JobSpec,
  { submission, services, submitted, key }: Enqueuing & { key: string },
): Promise<AcceptedJob> {
  const { tenant } = submission;
  const id = jobIdForKey(tenant, key);
  const traceId = submission.trace?.traceId ?? traceIdForJob(id);
  const claim = await services.idempotency.claim({ tenant, key, body: JSON.stringify(spec), traceId });
  // Whichever of several calls at once adds the job, it is in the trace of the first.
  const trace = submission.trace?.traceId === claim.traceId ? submission.trace : undefined;
  const job = newJob(spec, { id, submission: { ...submission, trace } });
  // A repeat adds the job all the same, in case the first call died in between; but not if it was cancelled since.
  if (!claim.repeat || !(await services.idempotency.cancelled([id])).has(id))
    await services.queues.add([job], claim.repeat ? [] : [submitted(id)]);
  if (!claim.repeat) services.metrics.jobs.inc({ source: 'single' });
  return { id, state: 'queued', traceId: claim.traceId };
}

/**
 * The state of a job as results has it, where that matters: a job that waits has not ended, one that a worker holds may
 * have. With results away, a held job counts as running: a wish to cancel it then does no harm.
 */
async function knownState(
  context: AppContext,
  { queues, results }: Services,
  queued: QueuedJob | undefined,
): Promise<JobState | undefined> {
  const id = context.req.param('id') ?? '';
  const ask = () => results.jobState(id, context.req.header('authorization') ?? '');
  if (queued === undefined || queued.ended) return ask();
  if (!(await isHeld(queues, { jobId: id, queue: queued.queue }))) return undefined;
  return ask().catch((error: unknown) => {
    if (error instanceof ResultsUnavailableError) return undefined;
    throw error;
  });
}

async function cancel(context: AppContext, services: Services): Promise<Response> {
  const id = pathId(context, 'id', { pattern: JOB_ID, what: 'job' });
  const { caller } = context.var;
  const queued = await findJob(services.queues, id, caller.tenant);
  const state = await knownState(context, services, queued);
  if (queued === undefined && state === undefined) throw problems.notFound(`job ${id}`);
  if (queued?.ended || (state !== undefined && isTerminal(state)))
    throw problems.conflict(`The job ${id} has ended: ${state ?? 'completed'}.`, { state });
  const told = auditEvent(context, { action: 'job.cancel', target: id });
  await requestCancel(services.queues, id, { by: caller, told });
  return context.json({ id, cancelling: true as const }, 202);
}

async function retry(context: AppContext, services: Services): Promise<Response> {
  const id = pathId(context, 'id', { pattern: JOB_ID, what: 'job' });
  const { caller } = context.var;
  const queued = await findJob(services.queues, id, caller.tenant);
  // One that a worker holds may have ended already: results knows.
  if (queued && !queued.ended && !(await isHeld(services.queues, { jobId: id, queue: queued.queue })))
    throw problems.conflict(`The job ${id} has not ended: it is in the queue ${queued.queue}.`);
  const job = await services.results.job(id, context.req.header('authorization') ?? '');
  if (job === undefined) throw problems.notFound(`job ${id}`);
  if (!isTerminal(job.state))
    throw problems.conflict(`The job ${id} has not ended: it is ${job.state}.`, { state: job.state });
  await retryJobs(services.queues, [{ ...job, jobId: id }], caller.name);
  await services.queues.announce([auditEvent(context, { action: 'job.retry', target: id })]);
  return context.json({ id, state: 'queued', traceId: job.payload.traceId } satisfies AcceptedJob, 202);
}
