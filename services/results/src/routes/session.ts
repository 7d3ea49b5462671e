import type { SessionView } from '@cronium/contracts';
import { type Context, Hono } from 'hono';
import { deleteCookie, setCookie } from 'hono/cookie';
import { z } from 'zod';
import type { Deps } from '../deps.ts';
import { type Env, requireOwnPage, SESSION_COOKIE } from '../http/auth.ts';
import { readJson } from '../http/body.ts';
import { problems } from '../http/problems.ts';

const SESSION_SECONDS = 30 * 86_400;
const SMALL = 4096;

export const sessionBody = z.strictObject({ key: z.string().min(1).max(1000) });

/** Signing in and out of the dashboard: the key goes into a cookie that no script can read. */
export function signInRoutes({ apiKeys }: Pick<Deps, 'apiKeys'>): Hono<Env> {
  const app = new Hono<Env>();
  app.use('/session', async (c, next) => {
    if (c.req.method !== 'GET') requireOwnPage(c);
    return next();
  });
  app.post('/session', async (c) => {
    const { key } = await readJson(c, sessionBody, SMALL);
    const principal = await apiKeys.find(key);
    if (principal === undefined) throw problems.unauthorized('The API key is not known to this fleet.');
    setCookie(c, SESSION_COOKIE, key, cookieOptions(c));
    const { name, tenant, role } = principal;
    return c.json({ name, tenant, role } satisfies SessionView);
  });
  app.delete('/session', (c) => {
    deleteCookie(c, SESSION_COOKIE, cookieOptions(c));
    return c.body(null, 204);
  });
  return app;
}

/** `GET /v1/session`. */
export function sessionRoutes(): Hono<Env> {
  const app = new Hono<Env>();
  app.get('/session', (c) => {
    const { name, tenant, role } = c.get('principal');
    return c.json({ name, tenant, role } satisfies SessionView);
  });
  return app;
}

/** The cookie carries the key itself; scripts can't read it and other sites' requests don't carry it. */
function cookieOptions(c: Context<Env>) {
  const proxied = c.req.header('x-forwarded-proto');
  return {
    httpOnly: true,
    sameSite: 'Strict',
    secure: (proxied ?? new URL(c.req.url).protocol).startsWith('https'),
    path: '/',
    maxAge: SESSION_SECONDS,
  } as const;
}
