import { readFile } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import { type Context, Hono } from 'hono';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
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

/** Only what this service itself serves runs, loads or is talked to; text never becomes markup or script. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const SECURITY = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=()',
};

const NO_DASHBOARD = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Cronium Fleet results</title>
<body>
<h1>Cronium Fleet: results</h1>
<p>The dashboard is not built here. Build it with: npm run dashboard. The API is described at <a href="/docs">/docs</a>, as
OpenAPI at <a href="/openapi.json">/openapi.json</a>.</p></body></html>`;

/** The addresses of the dashboard itself; the rest are files, or nothing. */
const PAGE = /^\/(?:(?:jobs|batches|traces|workers|schedules|flows|settings|audit)(?:\/[^.]*)?)?$/;

/** The built dashboard: its files, and its page for every address that people share. */
export function siteRoutes({ dashboardDir }: Pick<Deps, 'dashboardDir'>): Hono<Env> {
  const app = new Hono<Env>();
  const encoded = new EncodedFiles(dashboardDir);
  app.get('*', async (c) => {
    const path = PAGE.test(c.req.path) ? '/index.html' : c.req.path;
    const file = await encoded.get(path, c.req.header('accept-encoding') ?? '');
    if (file !== undefined) return send(c, file, path);
    if (path === '/index.html') return c.html(NO_DASHBOARD, 200, SECURITY);
    // Who mistyped an address in a browser gets the page that says so.
    const page = isForPeople(c)
      ? await encoded.get('/index.html', c.req.header('accept-encoding') ?? '')
      : undefined;
    if (page !== undefined) return send(c, page, '/index.html', 404);
    throw problems.notFound(`${c.req.method} ${c.req.path.slice(0, 200)}`);
  });
  return app;
}

/** A file as it is sent. */
interface EncodedFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly encoding: string | undefined;
}

const ENCODERS = { br: promisify(brotliCompress), gzip: promisify(gzip) } as const;
const PACKED = ['.woff2', '.png', '.ico'];
/** Shorter ones are not worth it. */
const SMALL = 1024;

/** The files of the built dashboard. Those whose names carry a hash never change and are kept as they were sent. */
class EncodedFiles {
  readonly #folder: string;
  readonly #kept = new Map<string, Promise<EncodedFile | undefined>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async get(path: string, accepted: string): Promise<EncodedFile | undefined> {
    const encoding = (['br', 'gzip'] as const).find((name) => new RegExp(`\\b${name}\\b`).test(accepted));
    if (!isHashed(path)) return this.#read(path, encoding);
    const name = `${encoding} ${path}`;
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const file = await this.#read(path, encoding);
    if (file !== undefined) this.#kept.set(name, Promise.resolve(file));
    return file;
  }

  async #read(path: string, encoding: keyof typeof ENCODERS | undefined): Promise<EncodedFile | undefined> {
    const plain = await fileOf(this.#folder, path);
    if (plain === undefined) return undefined;
    if (encoding === undefined || plain.length < SMALL || PACKED.includes(extname(path)))
      return { bytes: new Uint8Array(plain), encoding: undefined };
    return { bytes: new Uint8Array(await ENCODERS[encoding](plain)), encoding };
  }
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

function isHashed(path: string): boolean {
  return path.startsWith('/assets/');
}

function isForPeople({ req }: Context<Env>): boolean {
  return extname(req.path) === '' && (req.header('accept') ?? '').includes('text/html');
}

function send(
  c: Context<Env>,
  { bytes, encoding }: EncodedFile,
  path: string,
  status: 200 | 404 = 200,
): Response {
  return c.body(bytes, status, {
    ...SECURITY,
    'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream',
    'Cache-Control': isHashed(path) ? 'public, max-age=31536000, immutable' : 'no-cache',
    Vary: 'Accept-Encoding',
    ...(encoding === undefined ? {} : { 'Content-Encoding': encoding }),
  });
}
