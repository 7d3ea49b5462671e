import {
  fieldErrors,
  type Schedule,
  type ScheduleRecord,
  scheduleInput,
  schedulesView,
  scheduleView,
  toScheduleView,
} from '@cronium/contracts';
import type { App, Services } from '../app-env.ts';
import { auditEvent } from '../http/audit.ts';
import { type AppContext, mediaType, pathId, withJsonBody } from '../http/request.ts';
import { problems } from '../problems.ts';
import { nextTime, RhythmError } from '../schedules/rhythm.ts';
import { body, describe, json, pathParameter } from './openapi.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const NAME_RULE =
  'must be 1 to 63 letters, digits, dots, underscores and dashes, and begin with a letter or a digit';
const MOST_SCHEDULES = 10_000;
const name = pathParameter('name', 'The schedule.');

/** `/v1/schedules`. */
export function scheduleRoutes(app: App, services: Services): void {
  describe(app, {
    method: 'get',
    path: '/v1/schedules',
    summary: 'All schedules',
    success: { status: 200, ...json('The schedules, by name.', schedulesView) },
    problems: [503],
  });
  app.get('/v1/schedules', async (context) => {
    const records = await services.schedules.list(context.var.caller.tenant);
    return context.json({ schedules: records.map(toScheduleView) });
  });
  describe(app, {
    method: 'put',
    path: '/v1/schedules/{name}',
    summary: 'Make or change a schedule',
    description:
      'Times of cron are in `timeZone`; intervals count from when the schedule was made. Jobs carry the label cronium.schedule.',
    request: { params: [name], body: body({ 'application/json': scheduleInput }) },
    success: { status: 200, ...json('The schedule.', scheduleView) },
    problems: [400, 413, 415, 422, 429, 503],
  });
  app.put('/v1/schedules/:name', (context) => put(context, services));
  describe(app, {
    method: 'get',
    path: '/v1/schedules/{name}',
    summary: 'One schedule',
    request: { params: [name] },
    success: { status: 200, ...json('The schedule.', scheduleView) },
    problems: [404, 503],
  });
  app.get('/v1/schedules/:name', async (context) =>
    context.json(toScheduleView((await existing(context, services)).record)),
  );
  describe(app, {
    method: 'delete',
    path: '/v1/schedules/{name}',
    summary: 'Remove a schedule',
    description: 'Jobs that it started go on.',
    request: { params: [name] },
    success: { status: 204, description: 'It is gone.' },
    problems: [404, 503],
  });
  app.delete('/v1/schedules/:name', (context) => remove(context, services));
  for (const verb of ['pause', 'resume'] as const) {
    describe(app, {
      method: 'post',
      path: `/v1/schedules/{name}/${verb}`,
      summary: verb === 'pause' ? 'Start nothing by a schedule' : 'Let a schedule go on',
      description: 'Times that pass while it is paused are not made up for.',
      request: { params: [name] },
      success: { status: 200, ...json('The schedule.', scheduleView) },
      problems: [404, 503],
    });
    app.post(`/v1/schedules/:name/${verb}`, (context) => setPaused(context, services, verb === 'pause'));
  }
}

function nameOf(context: AppContext): { tenant: string; name: string } {
  const { tenant } = context.var.caller;
  return { tenant, name: pathId(context, 'name', { pattern: NAME, what: 'schedule' }) };
}

async function existing(context: AppContext, { schedules }: Services) {
  const id = nameOf(context);
  const stored = await schedules.get(id);
  if (stored === undefined) throw problems.notFound(`schedule ${id.name}`);
  return stored;
}

async function put(context: AppContext, services: Services): Promise<Response> {
  if (!NAME.test(context.req.param('name') ?? ''))
    throw problems.invalid([{ path: 'name', message: NAME_RULE }], 'schedule');
  mediaType(context, ['application/json']);
  const schedule = await withJsonBody(context, services, {
    maxBytes: services.limits.jobBytes,
    run: async (value) => {
      const result = scheduleInput.safeParse(value);
      if (!result.success) throw problems.invalid(fieldErrors(result.error).slice(0, 20), 'schedule');
      return result.data;
    },
  });
  const id = nameOf(context);
  const before = (await services.schedules.get(id))?.record;
  if (before === undefined && (await services.schedules.count()) >= MOST_SCHEDULES) {
    throw problems.busy(`There are ${MOST_SCHEDULES} schedules already. Delete some first.`, 60);
  }
  return save(context, services, changed(id, schedule, before));
}

/** The record with what was asked for. A schedule whose rhythm stays keeps its next time. */
function changed(
  id: { tenant: string; name: string },
  schedule: Schedule,
  before: ScheduleRecord | undefined,
): ScheduleRecord {
  const now = Date.now();
  const createdAt = before?.createdAt ?? now;
  const rhythm = ({ cron, timeZone, everySeconds }: Schedule) => [cron, timeZone, everySeconds].join('\0');
  const keeps = before?.nextAt != null && rhythm(before.schedule) === rhythm(schedule);
  const nextAt = keeps ? before.nextAt : nextOf(schedule, { afterMs: now, sinceMs: createdAt });
  return {
    v: 1,
    ...id,
    schedule,
    createdAt,
    updatedAt: now,
    nextAt: schedule.paused ? null : nextAt,
    last: before?.last ?? null,
  };
}

function nextOf(schedule: Schedule, times: { afterMs: number; sinceMs: number }): number {
  try {
    return nextTime(schedule, times);
  } catch (error) {
    if (!(error instanceof RhythmError)) throw error;
    throw problems.invalid([{ path: 'cron', message: error.message.slice(0, 300) }], 'schedule');
  }
}

async function save(context: AppContext, services: Services, record: ScheduleRecord): Promise<Response> {
  await services.schedules.put(record);
  const detail = record.schedule.paused ? 'paused' : undefined;
  await services.queues.announce([
    auditEvent(context, { action: 'schedule.put', target: record.name, detail }),
  ]);
  return context.json(toScheduleView(record));
}

async function setPaused(context: AppContext, services: Services, paused: boolean): Promise<Response> {
  const { record } = await existing(context, services);
  const schedule = { ...record.schedule, paused };
  return save(context, services, changed(record, schedule, { ...record, nextAt: null }));
}

async function remove(context: AppContext, services: Services): Promise<Response> {
  const id = nameOf(context);
  if (!(await services.schedules.remove(id))) throw problems.notFound(`schedule ${id.name}`);
  await services.queues.announce([auditEvent(context, { action: 'schedule.delete', target: id.name })]);
  return context.body(null, 204);
}
