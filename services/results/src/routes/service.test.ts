import type { Readiness, WorkersView } from '@cronium/contracts';
import { hashApiKey } from '@cronium/http';
import { describe, expect, test } from 'vitest';
import { endpoints } from '../docs/endpoints.ts';
import { internalEndpoints } from '../docs/internal-endpoints.ts';
import { mirrorPreTasks } from '../pre-tasks.ts';
import { ADMIN_KEY, bodyOf, openService, type ProblemBody } from '../test/service.ts';

interface OpenApi {
  readonly paths: Readonly<Record<string, { get: { parameters: { name: string }[] } }>>;
}

test('every route is described, and every description is a route', async () => {
  await using service = await openService();
  const routes = new Set(
    service.app.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/*' && !path.startsWith('/runtime/'))
      .map(
        ({ method, path }) =>
          `${method} ${path.replace(/:(\w+)(\{[^}]*\})?/g, '{$1}').replace(/(.)\/$/, '$1')}`,
      ),
  );
  const described = [...endpoints, ...internalEndpoints].map(
    ({ method, path }) => `${method.toUpperCase()} ${path}`,
  );
  expect(described.toSorted()).toEqual([...routes].toSorted());
  const document = await bodyOf<OpenApi>(service.get('/openapi.json'));
  expect(document.paths['/v1/jobs']?.get.parameters.map(({ name }) => name)).toContain('cursor');
  expect(await (await service.app.request('/docs')).text()).toContain('/v1/batches/{id}/results');
});

test('API keys: made once, mirrored to producers, bound by their role, gone when deleted', async () => {
  await using service = await openService();
  const made = await service.send('POST', '/v1/api-keys', { name: 'ci', role: 'reader' });
  const { key } = await bodyOf<{ key: string }>(made);
  expect(made.status).toBe(201);
  expect((await service.send('POST', '/v1/api-keys', { name: 'ci' })).status).toBe(409);
  const { valkey, keys } = service.deps;
  expect(JSON.parse((await valkey.hget(keys.apiKeys, hashApiKey(key))) ?? '')).toEqual({
    name: 'ci',
    tenant: 'default',
    role: 'reader',
  });
  const asReader = { authorization: `Bearer ${key}` };
  expect((await service.get('/v1/jobs', asReader)).status).toBe(200);
  expect((await service.send('PUT', '/v1/variables/x', { value: 1 }, asReader)).status).toBe(403);
  expect((await service.get('/v1/api-keys', asReader)).status).toBe(403);
  expect((await service.send('DELETE', '/v1/api-keys/ci')).status).toBe(204);
  expect((await service.get('/v1/jobs', asReader)).status).toBe(401);
  expect(await valkey.hexists(keys.apiKeys, hashApiKey(key))).toBe(0);
});

test('the script before all jobs: workers read it from the moment of the answer, and after Valkey lost it', async () => {
  await using service = await openService();
  const { valkey, keys } = service.deps;
  const seen = () => valkey.hgetall(keys.preTasks);
  expect((await service.get('/v1/pre-task')).status).toBe(404);
  expect((await service.send('PUT', '/v1/pre-task', { source: 'a\0' })).status).toBe(400);
  expect((await service.send('PUT', '/v1/pre-task', { source: 'echo first' })).status).toBe(204);
  expect((await service.send('PUT', '/v1/pre-task', { source: 'echo hi' })).status).toBe(204);
  expect(await seen()).toEqual({ default: 'echo hi' });
  expect(await bodyOf(service.get('/v1/pre-task'))).toEqual({
    source: 'echo hi',
    updatedAt: expect.any(String),
  });
  await valkey.del(keys.preTasks);
  await valkey.hset(keys.preTasks, 'gone', 'echo');
  await mirrorPreTasks(service.deps);
  expect(await seen()).toEqual({ default: 'echo hi' });
  expect((await service.send('DELETE', '/v1/pre-task')).status).toBe(204);
  expect(await seen()).toEqual({});
  expect((await service.send('DELETE', '/v1/pre-task')).status).toBe(404);
});

test('without a key for secrets the endpoints say what to set', async () => {
  await using service = await openService({ secrets: false });
  const response = await service.send('PUT', '/v1/secrets/A', { value: 'x' });
  expect([response.status, (await bodyOf<ProblemBody>(response)).detail]).toEqual([
    503,
    expect.stringContaining('CRONIUM_SECRETS_KEY'),
  ]);
});

describe('workers', () => {
  test('are listed with their state, gone when unseen, drained on demand', async () => {
    await using service = await openService();
    await service.fleet.heartbeat({ node: 'old', seenAt: Date.now() - 31_000 });
    const { valkey, keys } = service.deps;
    await valkey.hset(keys.nodes, 'broken', '{');
    const told = new Promise((resolve) => {
      const listener = valkey.duplicate({ lazyConnect: false, enableOfflineQueue: true });
      listener.on('message', (_channel, message) => {
        listener.disconnect();
        resolve(JSON.parse(message));
      });
      void listener.subscribe(keys.control).then(() => service.send('POST', '/v1/workers/n1/drain'));
    });
    expect(await told).toEqual({ type: 'drain', node: 'n1' });
    const states = async () => {
      const { workers } = await bodyOf<WorkersView>(service.get('/v1/workers'));
      return workers.map(({ node, state }) => [node, state]);
    };
    expect(await states()).toEqual([
      ['n1', 'draining'],
      ['old', 'gone'],
    ]);
    await service.send('POST', '/v1/workers/n1/resume');
    expect(await states()).toEqual([
      ['n1', 'ready'],
      ['old', 'gone'],
    ]);
    expect((await service.send('POST', '/v1/workers/nobody/drain')).status).toBe(404);
    const { pools } = await bodyOf<{ pools: unknown[] }>(service.get('/v1/scaling'));
    expect(pools).toEqual([{ pool: 'default', waiting: 0, active: 0, nodes: 1, slots: 4, wantedNodes: 0 }]);
  });

  test('say what they would remove, and what they removed', async () => {
    await using service = await openService();
    await service.fleet.heartbeat({ node: 'n1' });
    const { valkey, keys } = service.deps;
    const listener = valkey.duplicate({ lazyConnect: false, enableOfflineQueue: true });
    const asked: unknown[] = [];
    listener.on('message', (_channel, text) => {
      const { question, ...message } = JSON.parse(text);
      asked.push(message);
      void valkey.set(keys.answer(question), '["network cronium-job-x"]', 'EX', 5);
    });
    await listener.subscribe(keys.control);
    const dry = await bodyOf(service.send('POST', '/v1/workers/n1/reconcile?dryRun=true'));
    expect(dry).toEqual({ node: 'n1', dryRun: true, orphans: ['network cronium-job-x'] });
    const done = await bodyOf(service.send('POST', '/v1/workers/n1/reconcile'));
    expect(done).toMatchObject({ dryRun: false });
    expect(asked).toEqual([
      { type: 'reconcile', node: 'n1', dryRun: true },
      { type: 'reconcile', node: 'n1', dryRun: false },
    ]);
    listener.disconnect();
    expect((await service.send('POST', '/v1/workers/nobody/reconcile')).status).toBe(404);
  });
});

test('readiness names what is away and what to do', async () => {
  await using service = await openService();
  expect((await service.app.request('/ready')).status).toBe(200);
  service.deps.valkey.disconnect();
  const response = await service.app.request('/ready');
  const { checks } = await bodyOf<Readiness>(response);
  expect(response.status).toBe(503);
  expect(checks).toContainEqual(
    expect.objectContaining({
      name: 'valkey',
      ok: false,
      message: expect.stringContaining('CRONIUM_VALKEY_URL'),
    }),
  );
  // What needs no queue goes on.
  expect((await service.get('/v1/jobs', { authorization: `Bearer ${ADMIN_KEY}` })).status).toBe(200);
});
