import { preTaskBody } from '@cronium/contracts';
import { requireRole } from '@cronium/http';
import { Hono } from 'hono';
import type { Deps } from '../deps.ts';
import { audit } from '../http/audit.ts';
import type { Env } from '../http/auth.ts';
import { readJson } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { preTaskOf, removePreTask, savePreTask } from '../pre-tasks.ts';
import { isoTime } from './views.ts';

const MAX_BYTES = 256 * 1024;

/** `/v1/pre-task`: the script that runs before all jobs of the tenant. Changed by admins. */
export function preTaskRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/', async (c) => {
    const found = await preTaskOf(deps, c.get('principal').tenant);
    if (found === undefined) throw problems.notFound('pre-task script of this tenant');
    return c.json({ source: found.source, updatedAt: isoTime(found.updated_ms) });
  });
  app.put('/', async (c) => {
    requireRole(c.get('principal'), 'admin');
    const { source } = await readJson(c, preTaskBody, MAX_BYTES);
    await savePreTask(deps, c.get('principal').tenant, source);
    await audit(deps, c, { action: 'pre-task.put', target: 'pre-task' });
    return c.body(null, 204);
  });
  app.delete('/', async (c) => {
    requireRole(c.get('principal'), 'admin');
    const there = await removePreTask(deps, c.get('principal').tenant);
    if (!there) throw problems.notFound('pre-task script of this tenant');
    await audit(deps, c, { action: 'pre-task.delete', target: 'pre-task' });
    return c.body(null, 204);
  });
  return app;
}
