import { LogFormatError, TokenRefusedError } from '@cronium/contracts';
import { HttpProblem } from '@cronium/http';
import type { Logger } from '@cronium/telemetry';
import type { Context } from 'hono';
import { isAway, isBadValue, isCollision } from '../db/retry.ts';
import { problems } from './problems.ts';

/** What ioredis throws when the connection is not there or does not answer. */
const VALKEY_AWAY = /Stream isn't writeable|Connection is closed|max retries per request|Command timed out/;

export function isValkeyAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'ReplyError')
    return /^(LOADING|BUSY|CLUSTERDOWN|MASTERDOWN|READONLY|OOM)/.test(error.message);
  return VALKEY_AWAY.test(error.message);
}

/** The answer to an error; `undefined` when it is a fault of this program. */
export function problemFor(error: unknown): HttpProblem | undefined {
  if (error instanceof HttpProblem) return error;
  if (error instanceof TokenRefusedError) return problems.unauthorized(error.message);
  if (error instanceof LogFormatError) return problems.badBody(error.message);
  if (error instanceof RangeError && error.message.includes('call stack')) {
    return problems.badBody('The body is nested too deep.');
  }
  if (isBadValue(error)) return problems.badValue();
  if (isValkeyAway(error)) return problems.valkeyAway();
  if (isAway(error) || isCollision(error)) return problems.databaseAway();
  return undefined;
}

/** Turns whatever a handler threw into a problem document. Faults of this program are logged, others are the client's. */
export function errorHandler(log: Logger): (error: Error, c: Context) => Response {
  return (error, c) => {
    const known = problemFor(error);
    const at = { method: c.req.method, path: c.req.path };
    if (known === undefined) log.error({ err: error, ...at }, 'a request failed');
    else if (known.status === 503) log.warn({ err: error, ...at }, 'a request was put off');
    return (known ?? problems.internal()).response();
  };
}
