import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { type Answer, json, send } from './answers.ts';
import { type AuthDeps, authenticate, type Caller } from './auth.ts';
import { executionRoutes } from './executions.ts';
import { passOnTo } from './pass-on.ts';
import { Patience } from './patience.ts';
import { problemAnswer, RefusedError } from './problems.ts';
import type { Relay } from './relay.ts';
import { type Call, findRoute, type Route } from './router.ts';
import { variableRoutes } from './variables.ts';

export interface Limits {
  /** How long a request waits for a Valkey or results that is away. See {@link Patience}. */
  readonly patienceMs: number;
  /** Results may set a lower cap; this one only bounds what passes through here. */
  readonly maxArtifactBytes: number;
  /** All bodies in memory together. */
  readonly bodyRoomBytes: number;
}

export interface AppDeps extends AuthDeps {
  readonly relay: Relay;
  readonly limits: Limits;
  /** The text of `/metrics`. */
  metrics(): string;
  /** The shared services that the bound job names, and how its last connection to each went. */
  services(): Readonly<Record<string, string>>;
  /** Told the status of every answer. */
  count(status: number): void;
  log(message: string, error: unknown): void;
}

/** An authenticated request. */
export interface JobCall extends Call {
  readonly caller: Caller;
  /** Shared by all that the request waits for. */
  readonly patience: Patience;
}

/**
 * The runtime API (DESIGN section 6) as a listener for `node:http`. It uses no web framework (ADR 0015): the
 * request and response classes alone that one needs cost each sidecar 16 MB.
 */
export function createApp(deps: AppDeps): RequestListener {
  const open = openRoutes(deps);
  const passOn = passOnTo(deps);
  const forJobs = [...executionRoutes(deps, passOn), ...variableRoutes(passOn)];
  const guarded = forJobs.map((route) => ({ ...route, handler: behindToken(deps, route) }));
  const routes: readonly Route<Call>[] = [...open, ...guarded];
  return (request, response) => void answer(deps, { routes, request, response });
}

async function answer(
  deps: AppDeps,
  {
    routes,
    request,
    response,
  }: { routes: readonly Route<Call>[]; request: IncomingMessage; response: ServerResponse },
): Promise<void> {
  const result = await handled(routes, request).catch((error: unknown): Answer | undefined => {
    if (error instanceof RefusedError) return problemAnswer(error);
    if (isBrokenOff(request)) return undefined;
    deps.log('a request failed', error);
    const detail = 'The sidecar failed. Try again.';
    return problemAnswer(
      new RefusedError('internal', { status: 500, detail, headers: { 'retry-after': '1' } }),
    );
  });
  if (result === undefined) return;
  deps.count(result.status);
  await send(response, result);
}

/** The job let go of it before all of it had come: that is no failure of ours, and nobody hears the answer. */
const isBrokenOff = (request: IncomingMessage): boolean => request.destroyed && !request.complete;

async function handled(routes: readonly Route<Call>[], request: IncomingMessage): Promise<Answer> {
  const { route, parts } = findRoute(routes, request);
  return route.handler({ headers: request.headers, parts, body: request });
}

function behindToken(deps: AppDeps, route: Route<JobCall>): Route<Call>['handler'] {
  return async (call) => {
    const patience = new Patience(deps.limits.patienceMs, deps.binding.ended);
    const credentials = { authorization: call.headers.authorization, executionId: call.parts.id };
    return route.handler({ ...call, caller: await authenticate(credentials, deps, patience), patience });
  };
}

function openRoutes(deps: AppDeps): Route<Call>[] {
  const health = async () => {
    const [valkey, results] = await Promise.all([deps.revocations.reachable(), deps.relay.reachable()]);
    return json({
      status: valkey && results ? 'ok' : 'degraded',
      valkey: reach(valkey),
      results: reach(results),
      ...(Object.keys(deps.services()).length > 0 && { services: deps.services() }),
    });
  };
  return [
    { method: 'GET', pattern: '/health', handler: health },
    {
      method: 'GET',
      pattern: '/metrics',
      handler: () => ({
        status: 200,
        headers: { 'content-type': 'text/plain; version=0.0.4' },
        body: deps.metrics(),
      }),
    },
  ];
}

const reach = (reachable: boolean): string => (reachable ? 'reachable' : 'unreachable');
