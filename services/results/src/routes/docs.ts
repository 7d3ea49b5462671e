import { Hono } from 'hono';
import manifest from '../../package.json' with { type: 'json' };
import { openApi } from '../docs/openapi.ts';
import { docsPage } from '../docs/page.ts';

const CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/** `/openapi.json` and `/docs`. */
export function docsRoutes(): Hono {
  const app = new Hono();
  const document = openApi(manifest.version);
  const page = docsPage(manifest.version);
  app.get('/openapi.json', (c) => c.json(document));
  app.get('/docs', (c) => c.html(page, 200, { 'Content-Security-Policy': CSP }));
  return app;
}
