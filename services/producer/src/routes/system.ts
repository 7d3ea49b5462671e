import { health, type Readiness, readiness } from '@cronium/contracts';
import { docsPage } from '@cronium/http';
import type { App, Services } from '../app-env.ts';
import { describe, json, openApiDocument, type RouteDescription } from './openapi.ts';

const HEALTH: RouteDescription = {
  method: 'get',
  path: '/health',
  summary: 'Is the process up?',
  success: { status: 200, ...json('It is.', health) },
  open: true,
};

const READY: RouteDescription = {
  method: 'get',
  path: '/ready',
  summary: 'Can the service do its work?',
  description:
    'With 503 the answer has the same form; `message` of each check says what is missing and what to do.',
  success: { status: 200, ...json('It can.', readiness) },
  open: true,
};

const METRICS: RouteDescription = {
  method: 'get',
  path: '/metrics',
  summary: 'Metrics in the Prometheus text format',
  success: { status: 200, description: 'The metrics.' },
  open: true,
};

const OPENAPI: RouteDescription = {
  method: 'get',
  path: '/openapi.json',
  summary: 'This API, as OpenAPI 3.1',
  success: { status: 200, description: 'The document.' },
  open: true,
};

const DOCS: RouteDescription = {
  method: 'get',
  path: '/docs',
  summary: 'This API, to read',
  success: { status: 200, description: 'A page.' },
  open: true,
};

/** What every service answers without an API key. Must come after all other routes: it documents them. */
export function systemRoutes(app: App, services: Services): void {
  const { metrics, version } = services;
  describe(app, HEALTH);
  app.get('/health', (context) => context.json({ status: 'ok' as const, version }));
  describe(app, READY);
  app.get('/ready', async (context) => {
    const message = await services.notReady();
    const state: Readiness = {
      ready: message === undefined,
      checks: [{ name: 'valkey', ok: message === undefined, ...(message !== undefined && { message }) }],
    };
    return context.json(state, state.ready ? 200 : 503);
  });
  describe(app, METRICS);
  app.get('/metrics', async (context) =>
    context.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }),
  );
  describe(app, OPENAPI);
  describe(app, DOCS);
  const document = openApiDocument(app, version);
  app.get('/openapi.json', (context) => context.json(document));
  app.get('/docs', docsPage(document));
}
