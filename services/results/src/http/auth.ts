import type { ExecutionClaims, Keys } from '@cronium/contracts';
import { bearerToken, requireRole } from '@cronium/http';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import type { Redis } from 'ioredis';
import type { ApiKeys, Principal } from '../auth/api-keys.ts';
import type { NodeKeys } from '../auth/node-keys.ts';
import { problems } from './problems.ts';

/** What the auth middleware leaves for handlers. */
export type Env = {
  Variables: { principal: Principal; node: string; claims: ExecutionClaims };
};

/** The cookie of a signed-in dashboard. */
export const SESSION_COOKIE = 'cronium_session';

const bearer = (c: Context) => bearerToken(c.req.header('authorization'));

/** The API key that a request brings: in its Authorization header, or in the dashboard's cookie. */
export function keyOf(c: Context<Env>): string | undefined {
  return bearer(c) ?? getCookie(c, SESSION_COOKIE);
}

/**
 * A browser sends the cookie from any page of the same host, another port's too; only our own may act or listen with it.
 * @throws HttpProblem 403 when the page that asks is another one's
 */
export function requireOwnPage(c: Context<Env>): void {
  const origin = c.req.header('origin');
  if (origin === undefined) return;
  const host = URL.canParse(origin) ? new URL(origin).host : '';
  if (host !== c.req.header('host'))
    throw problems.forbidden(`Pages of ${origin.slice(0, 200)} may not do this here.`);
}

/** Asks for an API key: the Authorization header, or the dashboard's cookie. Anything but reading needs a submitter. */
export function requireApiKey(apiKeys: ApiKeys): MiddlewareHandler<Env> {
  return async (c, next) => {
    const key = keyOf(c);
    if (key === undefined) {
      throw problems.unauthorized('Send an API key: Authorization: Bearer <key>.');
    }
    const principal = await apiKeys.find(key);
    if (principal === undefined) throw problems.unauthorized('The API key is not known.');
    c.set('principal', principal);
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') {
      if (bearer(c) === undefined) requireOwnPage(c);
      requireRole(principal, 'submitter');
    }
    return next();
  };
}

/** Asks for a node's token. */
export function requireNode(nodeKeys: NodeKeys): MiddlewareHandler<Env> {
  return async (c, next) => {
    const token = bearer(c);
    if (token === undefined) throw problems.unauthorized('Send a node token: Authorization: Bearer <token>.');
    c.set('node', await nodeKeys.verifyNode(token));
    return next();
  };
}

/** Asks for the execution token of the attempt in the path; a revoked one is 403. */
export function requireExecution(
  nodeKeys: NodeKeys,
  { valkey, keys }: { valkey: Redis; keys: Keys },
): MiddlewareHandler<Env> {
  return async (c, next) => {
    const token = bearer(c);
    if (token === undefined)
      throw problems.unauthorized('Send the execution token: Authorization: Bearer <token>.');
    const claims = await nodeKeys.verifyExecution(token);
    const id = c.req.param('id');
    if (id !== undefined && id !== claims.executionId) {
      throw problems.forbidden('The token belongs to another execution.');
    }
    if ((await valkey.exists(keys.revoked(claims.jti))) > 0) {
      throw problems.forbidden('The token was revoked: the attempt has ended.');
    }
    c.set('claims', claims);
    return next();
  };
}
