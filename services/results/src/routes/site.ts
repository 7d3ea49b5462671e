import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { type Context, Hono } from 'hono';
import { setCookie } from 'hono/cookie';
import type { Deps } from '../deps.ts';
import { type Env, SESSION_COOKIE } from '../http/auth.ts';
import { problems } from '../http/problems.ts';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

const SECURITY = {
  'Content-Security-Policy':
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

const NO_DASHBOARD = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Cronium Fleet results</title>
<body style="font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem">
<h1>Cronium Fleet: results</h1>
<p>The dashboard is not built here. The API is described at <a href="/docs">/docs</a>, as OpenAPI at
<a href="/openapi.json">/openapi.json</a>.</p></body></html>`;

const SESSION_SECONDS = 30 * 86_400;

/** The built dashboard: its files, and its page for every address that people share. `?key=` signs in. */
export function siteRoutes({ apiKeys, dashboardDir }: Pick<Deps, 'apiKeys' | 'dashboardDir'>): Hono<Env> {
  const app = new Hono<Env>();
  app.get('*', async (c) => {
    const key = c.req.query('key');
    if (key !== undefined && isPage(c.req.path)) return signIn(c, key, apiKeys);
    const file = await fileOf(dashboardDir, c.req.path);
    if (file !== undefined) return send(c, file, c.req.path);
    if (!isPage(c.req.path)) throw problems.notFound(`${c.req.method} ${c.req.path.slice(0, 200)}`);
    const page = await fileOf(dashboardDir, '/index.html');
    return page === undefined ? c.html(NO_DASHBOARD, 200, SECURITY) : send(c, page, '/index.html');
  });
  return app;
}

/** The addresses of the dashboard itself; the rest are files, or nothing. */
function isPage(path: string): boolean {
  return (
    /^\/(?:jobs|batches|traces|workers|settings|queues)?(?:\/[^.]*)?$/.test(path) &&
    !/^\/(?:v1|internal|runtime)\//.test(path)
  );
}

/** The cookie carries the key itself; scripts can't read it and other sites' requests don't carry it. */
async function signIn(c: Context<Env>, key: string, apiKeys: Deps['apiKeys']): Promise<Response> {
  if ((await apiKeys.find(key)) === undefined)
    throw problems.unauthorized('The key in the address is not known.');
  setCookie(c, SESSION_COOKIE, key, {
    httpOnly: true,
    sameSite: 'Strict',
    secure: new URL(c.req.url).protocol === 'https:',
    path: '/',
    maxAge: SESSION_SECONDS,
  });
  const url = new URL(c.req.url);
  url.searchParams.delete('key');
  // A path that begins with two slashes would name another host.
  return c.redirect(`/${url.pathname.replace(/^\/+/, '')}${url.search}`, 303);
}

async function fileOf(folder: string, path: string): Promise<Buffer | undefined> {
  const file = normalize(join(folder, path));
  if (!file.startsWith(folder + sep) || !(extname(file) in TYPES)) return undefined;
  try {
    return await readFile(file);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR' || code === 'ERR_INVALID_ARG_VALUE')
      return undefined;
    throw error;
  }
}

function send(c: Context<Env>, file: Buffer, path: string): Response {
  return c.body(new Uint8Array(file), 200, {
    ...SECURITY,
    'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
    // Built files carry a hash in their names.
    'Cache-Control': path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
  });
}
