import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { JOB, startApp, submit } from '../test/harness.ts';

const document = z.object({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(z.string(), z.object({ responses: z.record(z.string(), z.unknown()) })),
  ),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

describe('the API as a document', () => {
  it('has every route, and every reference in it leads somewhere', async () => {
    await using app = await startApp();
    const text = await (await app.request('/openapi.json')).text();
    const { paths, components } = document.parse(JSON.parse(text));
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(routes.sort()).toEqual([
      'delete /v1/schedules/{name}',
      'get /docs',
      'get /health',
      'get /metrics',
      'get /openapi.json',
      'get /ready',
      'get /v1/queues',
      'get /v1/schedules',
      'get /v1/schedules/{name}',
      'post /v1/batches',
      'post /v1/batches/{id}/cancel',
      'post /v1/batches/{id}/retry',
      'post /v1/flows',
      'post /v1/flows/{id}/cancel',
      'post /v1/jobs',
      'post /v1/jobs/{id}/cancel',
      'post /v1/jobs/{id}/retry',
      'post /v1/queues/{pool}/pause',
      'post /v1/queues/{pool}/resume',
      'post /v1/schedules/{name}/pause',
      'post /v1/schedules/{name}/resume',
      'put /v1/schedules/{name}',
    ]);
    const references = new Set(
      [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name),
    );
    expect([...references].filter((name) => name === undefined || !(name in components.schemas))).toEqual([]);
    expect(references).toContain('Job');
    expect(Object.keys(paths['/v1/jobs']?.post?.responses ?? {})).toEqual([
      '202',
      '400',
      '401',
      '403',
      '408',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
    ]);
  });

  it('is a page that needs nothing else', async () => {
    await using app = await startApp();
    const response = await app.request('/docs');
    const page = await response.text();
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(page).toContain('/v1/batches');
    expect(page).not.toMatch(/<script|https?:\/\/(?!json-schema)/);
  });
});

describe('an address', () => {
  it.each([
    ['GET', '/nothing', 404],
    ['PUT', '/v1/nothing/x', 404],
    ['POST', '/v1/nothing', 404],
    ['GET', '/v1/jobs', 405],
    ['DELETE', '/v1/jobs/job_aaaaaaaaaaaa/cancel', 405],
    ['POST', '/health', 405],
  ])('%s %s is answered with a problem', async (method, path, status) => {
    await using app = await startApp();
    const response = await app.request(path, { method });
    expect([response.status, response.headers.get('content-type')]).toEqual([
      status,
      'application/problem+json',
    ]);
    expect(response.headers.has('allow')).toBe(status === 405);
  });
});

describe('/metrics', () => {
  it('counts jobs and requests', async () => {
    await using app = await startApp();
    await submit(app, JOB);
    await app.lines([JOB, JOB, 'x']);
    const text = await (await app.request('/metrics')).text();
    expect(text).toMatch(/cronium_producer_jobs_accepted_total\{source="single",service="producer"\} 1/);
    expect(text).toMatch(/cronium_producer_jobs_accepted_total\{source="batch",service="producer"\} 2/);
    expect(text).toMatch(/cronium_producer_jobs_rejected_total\{service="producer"\} 1/);
    expect(text).toMatch(
      /cronium_producer_requests_total\{method="POST",status="202",service="producer"\} 2/,
    );
  });
});

describe('/ready', () => {
  it('names what is away', async () => {
    await using app = await startApp({ notReady: async () => 'Valkey is away. Start it.' });
    const response = await app.request('/ready');
    expect([response.status, await response.json()]).toEqual([
      503,
      { ready: false, checks: [{ name: 'valkey', ok: false, message: 'Valkey is away. Start it.' }] },
    ]);
  });
});
