import { Hono } from 'hono';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { NO_QUERY, readQuery } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { traceById, traceOfJob } from '../trace/assemble.ts';
import { locateJob } from './locate.ts';

/** `GET /v1/jobs/{id}/trace`. */
export function jobTraceRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/:id/trace', async (c) => {
    readQuery(c, NO_QUERY);
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    return c.json(await traceOfJob(deps.db, job));
  });
  return app;
}

/** `GET /v1/traces/{traceId}`. */
export function traceRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/:traceId', async (c) => {
    readQuery(c, NO_QUERY);
    const traceId = c.req.param('traceId').toLowerCase();
    const missing = problems.notFound(`trace ${traceId.slice(0, 100)}`);
    if (!/^[0-9a-f]{32}$/.test(traceId)) throw missing;
    const trace = await traceById(deps.db, { tenant: c.get('principal').tenant, traceId });
    if (trace === undefined) throw missing;
    return c.json(trace);
  });
  return app;
}
