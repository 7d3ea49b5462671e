import {
  type AcceptedFlow,
  acceptedFlow,
  type FieldError,
  FLOW_ID,
  type FleetEvent,
  type FlowDefinition,
  type FlowRecord,
  fieldErrors,
  flowIdForKey,
  flowInput,
  flowRecord,
  jobIdForStep,
  newFlowId,
  traceIdForJob,
} from '@cronium/contracts';
import type { App, Services } from '../app-env.ts';
import { auditEvent } from '../http/audit.ts';
import { type AppContext, mediaType, pathId, withJsonBody } from '../http/request.ts';
import { idempotencyKey } from '../intake/idempotency.ts';
import { tooLate } from '../intake/read-job.ts';
import { problems } from '../problems.ts';
import { withValkey } from '../valkey/connection.ts';
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
  path: '/v1/flows',
  summary: 'Submit jobs that wait for each other',
  description:
    'A step starts when all that it waits for has come: `succeeded`, `failed` (also timed out and lost), `always`, or `condition` ' +
    '(it succeeded and set its condition to true). A step that cannot come any more is left out. Results starts the steps.',
  request: { headers: [idempotencyHeader, traceparentHeader], body: body({ 'application/json': flowInput }) },
  success: { status: 202, ...json('The flow is accepted.', acceptedFlow) },
  problems: [400, 408, 413, 415, 422, 429, 503],
};

const CANCEL: RouteDescription = {
  method: 'post',
  path: '/v1/flows/{id}/cancel',
  summary: 'Cancel a flow',
  description: 'Steps that wait are left out; jobs that have not ended are cancelled.',
  request: { params: [pathParameter('id', 'The flow.')] },
  success: { status: 202, ...json('The flow will end as cancelled.', cancelling) },
  problems: [404, 409, 503],
};

/** `/v1/flows`. */
export function flowRoutes(app: App, services: Services): void {
  describe(app, SUBMIT);
  app.post('/v1/flows', (context) => submit(context, services));
  describe(app, CANCEL);
  app.post('/v1/flows/:id/cancel', (context) => cancel(context, services));
}

async function submit(context: AppContext, services: Services): Promise<Response> {
  mediaType(context, ['application/json']);
  const key = idempotencyKey(context.req.header('idempotency-key'));
  const definition = await withJsonBody(context, services, {
    maxBytes: services.limits.jsonBatchBytes,
    run: async (value) => {
      const result = flowInput.safeParse(value);
      if (!result.success) throw problems.invalid(fieldErrors(result.error).slice(0, 20), 'flow');
      const late = lateSteps(result.data);
      if (late.length > 0) throw problems.invalid(late.slice(0, 20), 'flow');
      return result.data;
    },
  });
  const { caller, trace, receivedAt } = context.var;
  const { tenant } = caller;
  const id = key === undefined ? newFlowId() : flowIdForKey(tenant, key);
  const own = trace?.traceId ?? traceIdForJob(id);
  // No key of a job begins with a space.
  const claim = key && { tenant, key: ` flow ${key}`, body: JSON.stringify(definition), traceId: own };
  const before = claim ? await services.idempotency.claim(claim) : { repeat: false, traceId: own };
  const { traceId } = before;
  const parent = trace?.traceId === traceId ? { parentSpanId: trace.spanId } : {};
  // A repeat is told again, in case the first call died before it was; results takes it once.
  const deed = { action: 'flow.submit', target: id, detail: definition.name || undefined } as const;
  const also = before.repeat ? [] : [auditEvent(context, deed)];
  await accept(services, also, {
    ...{ flowId: id, tenant, by: caller.name, definition, traceId, acceptedAt: receivedAt },
    ...parent,
  });
  const steps = definition.steps.map(({ name }) => ({ name, jobId: jobIdForStep(id, name) }));
  return context.json({ id, traceId, steps } satisfies AcceptedFlow, 202);
}

function lateSteps({ steps }: FlowDefinition): FieldError[] {
  return steps.flatMap(({ job }, index) => {
    const late = tooLate(job);
    return late === undefined ? [] : [{ ...late, path: `steps[${index}].job.${late.path}` }];
  });
}

/** The definition is in Valkey before results is told of it, and answers for the flow until then. */
async function accept({ queues }: Services, also: readonly FleetEvent[], record: FlowRecord): Promise<void> {
  const { flowId } = record;
  const text = JSON.stringify(record);
  await withValkey(() => queues.valkey.set(queues.keys.flow(flowId), text));
  await queues.announce([{ type: 'flow', flowId, at: Date.now() }, ...also]);
}

async function cancel(context: AppContext, { queues, results }: Services): Promise<Response> {
  const id = pathId(context, 'id', { pattern: FLOW_ID, what: 'flow' });
  const { name: by, tenant } = context.var.caller;
  const waiting = await withValkey(() => queues.valkey.get(queues.keys.flow(id)));
  if (waiting === null) {
    const state = await results.flowState(id, context.req.header('authorization') ?? '');
    if (state === undefined) throw problems.notFound(`flow ${id}`);
    if (state !== 'running') throw problems.conflict(`The flow ${id} has ended: ${state}.`, { state });
  } else if (flowRecord.parse(JSON.parse(waiting)).tenant !== tenant) throw problems.notFound(`flow ${id}`);
  await queues.announce([
    { type: 'cancel-flow', flowId: id, tenant, by, at: Date.now() },
    auditEvent(context, { action: 'flow.cancel', target: id }),
  ]);
  return context.json({ id, cancelling: true as const }, 202);
}
