import { health, type Readiness, readiness } from '@cronium/contracts';
import { docsPage } from '@cronium/http';
import type { Metrics } from '@cronium/telemetry';
import { createRoute, OpenAPIHono } from '@hono/zod-openapi';
import { z } from 'zod';

export interface AppDeps {
  readonly version: string;
  readonly metrics: Metrics;
  readiness(): Promise<Readiness>;
}

const json = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
});
const text = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: z.string() } },
});

const routes = {
  health: createRoute({
    method: 'get',
    path: '/health',
    summary: 'Is the process up?',
    responses: { 200: json('It is.', health) },
  }),
  ready: createRoute({
    method: 'get',
    path: '/ready',
    summary: 'Does this node take jobs?',
    description: 'Each check names what it is about; `message` says what is missing and what to do.',
    responses: { 200: json('It does.', readiness), 503: json('It does not.', readiness) },
  }),
  metrics: createRoute({
    method: 'get',
    path: '/metrics',
    summary: 'Metrics in the Prometheus text format',
    responses: { 200: text('The metrics.', 'text/plain') },
  }),
  docs: createRoute({
    method: 'get',
    path: '/docs',
    summary: 'This API, to read',
    responses: { 200: text('A page.', 'text/html') },
  }),
};

/** The worker's HTTP API: nothing but its health. Jobs come from the queue alone. */
export function createApp({ version, metrics, readiness: state }: AppDeps) {
  const app = new OpenAPIHono();
  app.openapi(routes.health, (context) => context.json({ status: 'ok' as const, version }, 200));
  app.openapi(routes.ready, async (context) => {
    const now = await state();
    return context.json(now, now.ready ? 200 : 503);
  });
  app.openapi(routes.metrics, async (context) =>
    context.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  );
  app.openAPIRegistry.registerPath(routes.docs);
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Cronium Fleet worker', version },
  });
  app.get('/openapi.json', (context) => context.json(document));
  app.get('/docs', docsPage(document));
  return app;
}
