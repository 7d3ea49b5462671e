import { keysFor, parseTraceparent } from '@cronium/contracts';
import { HttpProblem, requireRole } from '@cronium/http';
import { inSpan, type Logger, withParent } from '@cronium/telemetry';
import { OpenAPIHono } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { Redis } from 'ioredis';
import type { App, AppEnv, Services } from './app-env.ts';
import { ApiKeys } from './auth.ts';
import { problemFor, UploadCutOffError } from './errors.ts';
import { Budget, Slots } from './http/budget.ts';
import type { AppContext } from './http/request.ts';
import { Idempotency } from './intake/idempotency.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { createProducerMetrics } from './metrics.ts';
import { problems } from './problems.ts';
import { FleetQueues } from './queue/queues.ts';
import { ResultsClient } from './results.ts';
import { batchRoutes } from './routes/batches.ts';
import { flowRoutes } from './routes/flows.ts';
import { jobRoutes } from './routes/jobs.ts';
import { queueRoutes } from './routes/queues.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { systemRoutes } from './routes/system.ts';
import { Scheduler } from './schedules/scheduler.ts';
import { ScheduleStore } from './schedules/store.ts';

/** What the app is made of. */
export interface AppDeps {
  readonly valkey: Redis;
  readonly prefix: string;
  /** The configuration's API keys, by name. */
  readonly apiKeys: Readonly<Record<string, string>>;
  readonly resultsUrl: string;
  readonly log: Logger;
  readonly version: string;
  /** Aborts when uploads must end because the process stops. */
  readonly stopping: AbortSignal;
  /** What keeps the producer from taking jobs; `undefined` when nothing does. */
  readonly notReady: () => Promise<string | undefined>;
  readonly limits?: Partial<Limits>;
  /** How many replicas of Valkey must have what is answered 202. Default: none. */
  readonly replicas?: number;
}

/** The producer: its HTTP API, and what it does by itself. */
export interface Producer {
  readonly app: App;
  readonly scheduler: Scheduler;
  /** Lets go of the queues; the Valkey connection stays the caller's. */
  close(): Promise<void>;
}

export function createApp(deps: AppDeps): Producer {
  const services = createServices(deps);
  const app: App = new OpenAPIHono<AppEnv>();
  app.use('*', observed(services));
  app.use('/v1/*', authenticated(services));
  jobRoutes(app, services);
  batchRoutes(app, services);
  queueRoutes(app, services);
  scheduleRoutes(app, services);
  flowRoutes(app, services);
  systemRoutes(app, services);
  const allowed = methodsByPath(app);
  app.notFound((context) => missing(context, allowed).response());
  app.onError((error, context) => problemOf(error, context, deps.log).response());
  const { schedules: store, queues, metrics } = services;
  const onStarted = () => metrics.jobs.inc({ source: 'schedule' });
  const scheduler = new Scheduler({ store, queues, log: deps.log, onStarted });
  return { app, scheduler, close: () => queues.close() };
}

function createServices(deps: AppDeps): Services {
  const { valkey, prefix, log, version, stopping, notReady } = deps;
  const keys = keysFor(prefix);
  const limits: Limits = { ...DEFAULT_LIMITS, ...deps.limits };
  const { maxQueued } = limits;
  const queues = new FleetQueues({ valkey, keys, prefix, maxQueued, replicas: deps.replicas ?? 0 });
  return {
    apiKeys: new ApiKeys({ valkey, keys, bootstrap: deps.apiKeys }),
    queues,
    idempotency: new Idempotency({ valkey, keys, room: queues.room }),
    results: new ResultsClient(deps.resultsUrl),
    schedules: new ScheduleStore({ valkey, keys }),
    limits,
    budget: new Budget(limits.bufferedBytes),
    uploads: new Slots(limits.uploads, 'batches'),
    metrics: createProducerMetrics(queues),
    log,
    stopping,
    notReady,
    version,
  };
}

/** Counts, times and traces each request. */
function observed({ metrics }: Services): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    context.set('receivedAt', Date.now());
    const trace = parseTraceparent(context.req.header('traceparent'));
    context.set('trace', trace);
    const { method } = context.req;
    const end = metrics.seconds.startTimer({ method });
    const run = () =>
      inSpan(method, { 'http.request.method': method }, async (span) => {
        await next();
        span.updateName(`${method} ${matchedRoutes(context).at(-1)?.path ?? ''}`);
      });
    await (trace ? withParent(trace, run) : run());
    end();
    metrics.requests.inc({ method, status: String(context.res.status) });
  };
}

function authenticated({ apiKeys }: Services): MiddlewareHandler<AppEnv> {
  return async (context, next) => {
    const caller = await apiKeys.caller(context.req.header('authorization'));
    if (context.req.method !== 'GET' && context.req.method !== 'HEAD') requireRole(caller, 'submitter');
    context.set('caller', caller);
    await next();
  };
}

/** The routes that have handlers, each with its methods. */
function methodsByPath(app: App): { pattern: RegExp; methods: Set<string> }[] {
  const paths = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    if (method === 'ALL') continue;
    const methods = paths.get(path) ?? new Set();
    paths.set(path, methods.add(method));
  }
  return [...paths].map(([path, methods]) => ({
    pattern: new RegExp(`^${path.replace(/:[a-z]+/g, '[^/]+').replace(/\./g, '\\.')}$`),
    methods,
  }));
}

function missing(context: AppContext, allowed: ReturnType<typeof methodsByPath>): HttpProblem {
  const { path, method } = context.req;
  const here = allowed.find(({ pattern }) => pattern.test(path));
  if (here !== undefined) return problems.methodNotAllowed(method, [...here.methods]);
  const asked =
    method === 'GET' && path.startsWith('/v1/') ? 'what became of jobs is asked of results; ' : '';
  return problems.notFound(`address ${JSON.stringify(path.slice(0, 200))} here; ${asked}see /docs`);
}

function problemOf(error: unknown, context: AppContext, log: Logger): HttpProblem {
  const problem = problemFor(error);
  const request = { method: context.req.method, path: context.req.path };
  if (problem === undefined) {
    log.error({ err: error, ...request }, 'a request failed by a fault of the producer');
    return new HttpProblem({
      slug: 'internal',
      status: 500,
      title: 'A fault of the producer',
      detail: 'It is in the log of the producer.',
    });
  }
  if (problem.status >= 500 || error instanceof UploadCutOffError) {
    // A client that left is nothing to trace back.
    const why = error instanceof UploadCutOffError ? {} : { err: problem.cause };
    log.warn({ ...request, status: problem.status, code: problem.code, ...why }, problem.message);
  }
  return problem;
}
