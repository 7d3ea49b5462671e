import {
  FLOW_ID,
  type FlowPage,
  type FlowRecord,
  type FlowSummary,
  type FlowView,
  flowState,
  type JobState,
  jobIdForStep,
} from '@cronium/contracts';
import { Hono } from 'hono';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { readQuery } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import {
  type FlowRow,
  getFlow,
  type ListedFlow,
  listFlows,
  recordOf,
  type StepWithJob,
  stepsOf,
} from '../queries/flows.ts';
import { pageOf, paging } from './paging.ts';
import { isoTime } from './views.ts';

export const flowsQuery = z.strictObject({
  state: flowState.optional(),
  ...paging(100),
});

/** `/v1/flows`, to read; they are submitted and cancelled at the producer. */
export function flowRoutes({ db, queues }: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/', async (c) => {
    const { state, limit, cursor } = readQuery(c, flowsQuery);
    const { tenant } = c.get('principal');
    const rows = await listFlows(db, { tenant, state, before: cursor, limit: limit + 1 });
    const page = pageOf(rows, limit, ({ created_ms, id }) => ({ ms: created_ms, id }));
    return c.json({ flows: page.page.map(toSummary), cursor: page.cursor } satisfies FlowPage);
  });
  app.get('/:id', async (c) => {
    const id = c.req.param('id');
    const { tenant } = c.get('principal');
    if (!FLOW_ID.test(id)) throw problems.notFound(`flow ${id.slice(0, 100)}`);
    // One that was answered 202 and is not stored yet is answered from where the producer put it.
    const waiting = await queues.flow(id);
    const row = await getFlow(db, id);
    if (row?.tenant === tenant) return c.json(toView(row, await stepsOf(db, id)));
    if (row === undefined && waiting?.tenant === tenant) return c.json(acceptedView(waiting));
    throw problems.notFound(`flow ${id}`);
  });
  return app;
}

function toSummary(row: ListedFlow): FlowSummary {
  const { id, name, steps, done } = row;
  return {
    ...{ id, name, steps, done },
    state: flowState.parse(row.state),
    traceId: row.trace_id,
    createdAt: isoTime(row.created_ms),
    endedAt: isoTime(row.ended_ms),
  };
}

function toView(row: FlowRow, steps: readonly StepWithJob[]): FlowView {
  const { definition } = recordOf(row);
  const done = steps.filter(({ state }) => state === 'ended' || state === 'skipped').length;
  return {
    ...toSummary({ ...row, steps: steps.length, done }),
    steps: steps.map((step) => ({
      name: step.name,
      after: definition.steps[step.position]?.after ?? [],
      state: step.state as FlowView['steps'][number]['state'],
      jobId: step.job_id,
      jobState: step.job_state as JobState | null,
      condition: step.job_condition,
      reason: step.reason,
    })),
  };
}

function acceptedView({ flowId, definition, traceId, acceptedAt }: FlowRecord): FlowView {
  return {
    id: flowId,
    name: definition.name,
    state: 'running',
    traceId,
    done: 0,
    createdAt: isoTime(acceptedAt),
    endedAt: null,
    steps: definition.steps.map(({ name, after }) => ({
      name,
      after,
      state: after.length === 0 ? ('starting' as const) : ('waiting' as const),
      jobId: jobIdForStep(flowId, name),
      jobState: null,
      condition: null,
      reason: null,
    })),
  };
}
