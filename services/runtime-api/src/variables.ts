import { randomUUID } from 'node:crypto';
import { appendBody, incrementBody, variablePut } from '@cronium/contracts';
import type { Answer } from './answers.ts';
import type { JobCall } from './app.ts';
import { inExecution } from './executions.ts';
import { LARGE_BODY_BYTES, type PassOn, type PassOnOptions, SMALL_BODY_BYTES } from './pass-on.ts';
import { badRequest } from './problems.ts';
import type { Route } from './router.ts';

/** A tenant's variables: all of it is done by results. */
export function variableRoutes(passOn: PassOn): Route<JobCall>[] {
  const key = '/executions/:id/variables/:key';
  const route = (options: Omit<PassOnOptions, 'path'>, rest = ''): Route<JobCall> => ({
    method: options.method,
    pattern: `${key}${rest}`,
    handler: async (call): Promise<Answer> =>
      passOn(withKey(call), { ...options, path: variablePath(call, rest) }),
  });
  return [
    route({ method: 'GET' }),
    route({ method: 'DELETE' }),
    route({ method: 'PUT', schema: variablePut, maxBytes: LARGE_BODY_BYTES }),
    route({ method: 'POST', schema: incrementBody, maxBytes: SMALL_BODY_BYTES }, '/increment'),
    route({ method: 'POST', schema: appendBody, maxBytes: LARGE_BODY_BYTES }, '/append'),
  ];
}

/** Results does what has one key once, however often it is sent from here. */
function withKey(call: JobCall): JobCall {
  const { headers } = call;
  return { ...call, headers: { ...headers, 'idempotency-key': headers['idempotency-key'] || randomUUID() } };
}

function variablePath(call: JobCall, rest: string): string {
  const { key = '' } = call.parts;
  // URLs have no way to write these as one part of a path (WHATWG URL, double-dot URL path segments).
  if (['', '.', '..'].includes(key)) throw badRequest('A variable\'s key is not empty, "." or "..".');
  return inExecution(call, `/variables/${encodeURIComponent(key)}${rest}`);
}
