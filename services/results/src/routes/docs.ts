import { docsPage } from '@cronium/http';
import { Hono } from 'hono';
import manifest from '../../package.json' with { type: 'json' };
import { openApi } from '../docs/openapi.ts';

/** `/openapi.json` and `/docs`. */
export function docsRoutes(): Hono {
  const app = new Hono();
  const document = openApi(manifest.version);
  app.get('/openapi.json', (c) => c.json(document));
  app.get('/docs', docsPage(document));
  return app;
}
