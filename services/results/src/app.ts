import { Hono } from 'hono';
import type { Deps } from './deps.ts';
import { type Env, requireApiKey } from './http/auth.ts';
import { errorHandler } from './http/errors.ts';
import { problems } from './http/problems.ts';
import { countRequests } from './metrics.ts';
import { accountRoutes } from './routes/accounts.ts';
import { artifactRoutes } from './routes/artifacts.ts';
import { auditRoutes } from './routes/audit.ts';
import { batchRoutes } from './routes/batches.ts';
import { docsRoutes } from './routes/docs.ts';
import { healthRoutes } from './routes/health.ts';
import { internalRoutes } from './routes/internal.ts';
import { jobRoutes } from './routes/jobs.ts';
import { liveRoutes } from './routes/live.ts';
import { otlpRoutes } from './routes/otlp.ts';
import { overviewRoutes } from './routes/overview.ts';
import { preTaskRoutes } from './routes/pre-task.ts';
import { relayRoutes } from './routes/relay.ts';
import { runtimeRoutes } from './routes/runtime.ts';
import { scalingRoutes } from './routes/scaling.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { sessionRoutes, signInRoutes } from './routes/session.ts';
import { siteRoutes } from './routes/site.ts';
import { apiKeyRoutes, sealedRoutes, variableRoutes } from './routes/stored.ts';
import { jobTraceRoutes, traceRoutes } from './routes/traces.ts';
import { whyRoutes } from './routes/why.ts';
import { workerRoutes } from './routes/workers.ts';

/** The results service as a Hono app; tests call it with `app.request()`. */
export function createApp(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  app.onError(errorHandler(deps.log));
  app.notFound((c) => problems.notFound(`${c.req.method} ${c.req.path.slice(0, 200)}`).response());
  app.use(countRequests(deps.metrics));
  app.route('/', healthRoutes(deps));
  app.route('/', docsRoutes());
  app.use(async (_c, next) => {
    if (!deps.schema.isOpen) throw problems.databaseAway();
    return next();
  });
  app.route('/internal/v1', internalRoutes(deps));
  app.route('/runtime/v1', runtimeRoutes(deps));
  app.route('/', signInRoutes(deps));
  app.use('/v1/*', requireApiKey(deps.apiKeys));
  app.route('/v1', sessionRoutes());
  app.route('/', relayRoutes(deps));
  app.route('/v1/jobs', jobRoutes(deps));
  app.route('/v1/jobs', jobTraceRoutes(deps));
  app.route('/v1/jobs', whyRoutes(deps));
  app.route('/v1/jobs', artifactRoutes(deps));
  app.route('/v1/batches', batchRoutes(deps));
  app.route('/v1/overview', overviewRoutes(deps));
  app.route('/v1/traces', traceRoutes(deps));
  app.route('/v1', otlpRoutes(deps));
  app.route('/v1', liveRoutes(deps));
  app.route('/v1/workers', workerRoutes(deps));
  app.route('/v1/scaling', scalingRoutes(deps));
  app.route('/v1/variables', variableRoutes(deps));
  app.route('/v1/secrets', sealedRoutes(deps, 'secret'));
  app.route('/v1/credentials', sealedRoutes(deps, 'credential'));
  app.route('/v1/pre-task', preTaskRoutes(deps));
  app.route('/v1/api-keys', apiKeyRoutes(deps));
  app.route('/v1/audit', auditRoutes(deps));
<<<<<<< HEAD
  app.route('/v1/schedules', scheduleRoutes(deps));
=======
  app.route('/v1/accounts', accountRoutes(deps));
>>>>>>> 079dadb (Accounts: cronium audit balances them from three stores; jobs that Valkey forgot are put back; submits may wait for replicas)
  app.all('/v1/*', () => {
    throw problems.notFound('such endpoint; see /docs');
  });
  app.route('/', siteRoutes(deps));
  return app;
}
