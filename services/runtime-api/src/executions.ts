import { conditionBody, outputBody, progressBody, toolActionBody } from '@cronium/contracts';
import { type Answer, json } from './answers.ts';
import type { AppDeps, JobCall } from './app.ts';
import { LARGE_BODY_BYTES, type PassOn, passedOn, SMALL_BODY_BYTES } from './pass-on.ts';
import { badRequest, forbidden, notFound } from './problems.ts';
import type { Route } from './router.ts';

const ARTIFACT_TIMEOUT_MS = 290_000;
const TOOL_TIMEOUT_MS = 28_000;

/** Everything about one execution but its variables. */
export function executionRoutes(deps: AppDeps, passOn: PassOn): Route<JobCall>[] {
  return [
    // Answered here: the worker handed both over with the attempt.
    { method: 'GET', pattern: '/executions/:id/input', handler: ({ caller }) => ok(caller.bound.input) },
    { method: 'GET', pattern: '/executions/:id/context', handler: ({ caller }) => ok(caller.bound.context) },
    ...reports(passOn),
    { method: 'GET', pattern: '/executions/:id/secrets/:name', handler: (call) => secret(call, passOn) },
    { method: 'PUT', pattern: '/executions/:id/artifacts/*path', handler: (call) => artifact(call, deps) },
    { method: 'POST', pattern: '/tool-actions/execute', handler: (call) => toolAction(call, passOn) },
    ...['traces', 'logs'].map((signal) => telemetry(signal, passOn)),
  ];
}

const ok = (data: unknown): Answer => json({ success: true, data });

/** The path of a call's execution on results. */
export const inExecution = ({ caller }: JobCall, rest: string): string =>
  `/executions/${caller.claims.executionId}${rest}`;

/** What a job tells: stored by results before it is answered. */
function reports(passOn: PassOn): Route<JobCall>[] {
  const kinds = [
    { name: 'output', schema: outputBody, maxBytes: LARGE_BODY_BYTES },
    { name: 'condition', schema: conditionBody, maxBytes: SMALL_BODY_BYTES },
    { name: 'progress', schema: progressBody, maxBytes: SMALL_BODY_BYTES },
  ];
  return kinds.map(({ name, schema, maxBytes }) => ({
    method: 'POST',
    pattern: `/executions/:id/${name}`,
    handler: (call) =>
      passOn(call, { method: 'POST', path: inExecution(call, `/${name}`), schema, maxBytes }),
  }));
}

async function secret(call: JobCall, passOn: PassOn): Promise<Answer> {
  const { name = '' } = call.parts;
  if (!call.caller.bound.secrets.includes(name)) {
    throw forbidden(`The job does not name the secret ${name.slice(0, 100)}; add it to the job's "secrets".`);
  }
  const { secretValues } = call.caller.bound;
  if (secretValues !== undefined) {
    const value = Object.hasOwn(secretValues, name) ? secretValues[name] : undefined;
    if (value === undefined) throw notFound(`The secret ${name} was not set when this attempt began.`);
    return ok({ name, value });
  }
  return passOn(call, { method: 'GET', path: inExecution(call, `/secrets/${encodeURIComponent(name)}`) });
}

async function artifact(call: JobCall, { relay, binding, limits }: AppDeps): Promise<Answer> {
  const { path = '' } = call.parts;
  const parts = path.split('/');
  if (path.includes('\0') || parts.some((part) => ['', '.', '..'].includes(part))) {
    throw badRequest(
      `${path.slice(0, 200)} is not a plain relative path; an artifact's path has no "..", "." or empty part.`,
    );
  }
  const { headers, body, caller, patience } = call;
  const request = {
    method: 'PUT',
    path: inExecution(call, `/artifacts/${parts.map(encodeURIComponent).join('/')}`),
    token: caller.token,
    headers: passedOn(headers),
    body: { stream: body, maxBytes: limits.maxArtifactBytes },
    repeatable: false,
    timeoutMs: ARTIFACT_TIMEOUT_MS,
    withinMs: ARTIFACT_TIMEOUT_MS,
  };
  return relay.send(request, { patience, signal: binding.ended });
}

function toolAction(call: JobCall, passOn: PassOn): Promise<Answer> {
  return passOn(call, {
    method: 'POST',
    path: '/tool-actions/execute',
    schema: toolActionBody,
    maxBytes: LARGE_BODY_BYTES,
    repeatable: false,
    timeoutMs: TOOL_TIMEOUT_MS,
  });
}

/** OTLP in any encoding, tied to the attempt by its path. */
function telemetry(signal: string, passOn: PassOn): Route<JobCall> {
  return {
    method: 'POST',
    pattern: `/otlp/v1/${signal}`,
    handler: (call) =>
      passOn(call, {
        method: 'POST',
        path: inExecution(call, `/otlp/v1/${signal}`),
        maxBytes: LARGE_BODY_BYTES,
      }),
  };
}
