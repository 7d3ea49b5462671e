import { type ControlMessage, queueCounts, shortName } from '@cronium/contracts';
import { z } from 'zod';
import type { App, Services } from '../app-env.ts';
import { auditEvent } from '../http/audit.ts';
import { type AppContext, pathId } from '../http/request.ts';
import { countQueues } from '../queue/counts.ts';
import { replies, withValkey } from '../valkey/connection.ts';
import { describe, json, pathParameter } from './openapi.ts';

const POOL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const pausedPool = z.object({ pool: shortName, paused: z.boolean() });

/** `/v1/queues`. */
export function queueRoutes(app: App, services: Services): void {
  describe(app, {
    method: 'get',
    path: '/v1/queues',
    summary: 'All queues and what waits in them',
    success: { status: 200, ...json('The queues.', queueCounts) },
    problems: [503],
  });
  app.get('/v1/queues', async (context) => context.json(await countQueues(services.queues)));

  for (const verb of ['pause', 'resume'] as const) {
    describe(app, {
      method: 'post',
      path: `/v1/queues/{pool}/${verb}`,
      summary: verb === 'pause' ? 'Let no job of a pool start' : 'Let the jobs of a pool start again',
      description: 'Jobs that run go on; jobs are accepted all the same.',
      request: { params: [pathParameter('pool', 'The pool.')] },
      success: { status: 200, ...json('As it is now.', pausedPool) },
      problems: [404, 503],
    });
    app.post(`/v1/queues/:pool/${verb}`, (context) => setPaused(context, services, verb === 'pause'));
  }
}

async function setPaused(context: AppContext, { queues }: Services, paused: boolean): Promise<Response> {
  const pool = pathId(context, 'pool', { pattern: POOL, what: 'pool' });
  const message: ControlMessage = { type: 'pools' };
  await withValkey(async () => {
    const pipeline = queues.valkey.pipeline();
    if (paused) pipeline.sadd(queues.keys.pausedPools, pool);
    else pipeline.srem(queues.keys.pausedPools, pool);
    replies(await pipeline.publish(queues.keys.control, JSON.stringify(message)).exec());
    await queues.announce([
      auditEvent(context, { action: paused ? 'pool.pause' : 'pool.resume', target: pool }),
    ]);
  });
  return context.json({ pool, paused });
}
