import { randomUUID } from 'node:crypto';
import type { AuditFact, AuditPage } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { FlowRunner } from '../flows/flow-runner.ts';
import { EventApplier } from '../ingest/apply-events.ts';
import { Canceller } from '../ingest/cancel.ts';
import { keepRetention } from '../retention.ts';
import { ADMIN_KEY, bodyOf, openService, type TestService } from '../test/service.ts';
import { cursorOf } from './cursor.ts';

const told = (more: Partial<AuditFact> = {}) =>
  ({
    type: 'audit',
    entry: {
      id: randomUUID(),
      tenant: 'default',
      actor: 'key:ci',
      action: 'job.submit',
      target: 'job_000000000001',
      at: Date.now(),
      ...more,
    },
  }) as const;

function applierOf({ deps }: TestService): EventApplier {
  const canceller = new Canceller(deps);
  return new EventApplier({ ...deps, canceller, flows: new FlowRunner({ ...deps, canceller }) });
}
const audit = async (service: TestService, query = '') => bodyOf<AuditPage>(service.get(`/v1/audit${query}`));

test('what producers tell is stored once, however often it comes, and shown newest first', async () => {
  await using service = await openService();
  const first = told({ at: 1000, from: '10.0.0.7', detail: 'nightly' });
  const second = told({ at: 2000, action: 'batch.submit', actor: 'key:ann', target: 'batch_000000000001' });
  await applierOf(service).apply([first, second]);
  await applierOf(service).apply([first, told({ tenant: 'another', at: 3000 })]);
  const { entries, cursor } = await audit(service);
  expect(cursor).toBeNull();
  expect(entries.map(({ action }) => action)).toEqual(['batch.submit', 'job.submit']);
  expect(entries[1]).toEqual({
    id: first.entry.id,
    at: '1970-01-01T00:00:01.000Z',
    actor: 'key:ci',
    action: 'job.submit',
    target: 'job_000000000001',
    detail: 'nightly',
    from: '10.0.0.7',
  });
});

test('it can be asked by actor, action, target and time, page by page, and exported whole', async () => {
  await using service = await openService();
  await applierOf(service).apply([
    ...[1, 2, 3].map((n) => told({ at: n * 1000, target: `job_00000000000${n}` })),
    told({ at: 2500, actor: 'key:ann', action: 'job.cancel', target: 'job_000000000002' }),
  ]);
  const targets = async (query: string) =>
    (await audit(service, query)).entries.map(({ at }) => Date.parse(at));
  expect(await targets('?actor=ann')).toEqual([2500]);
  expect(await targets('?action=job')).toEqual([3000, 2500, 2000, 1000]);
  expect(await targets('?action=job.cancel')).toEqual([2500]);
  expect(await targets('?target=job_000000000002')).toEqual([2500, 2000]);
  expect(await targets('?from=1970-01-01T00:00:02Z&to=1970-01-01T00:00:03Z')).toEqual([2500, 2000]);
  const page = await audit(service, '?limit=3');
  expect(page.entries).toHaveLength(3);
  expect(await targets(`?limit=3&cursor=${page.cursor}`)).toEqual([1000]);
  for (const id of ['job_000000000001', '1.5', `${2 ** 64}`]) {
    const other = cursorOf({ ms: 1, id });
    expect((await service.get(`/v1/audit?cursor=${other}`)).status).toBe(400);
  }
  const exported = await (await service.get('/v1/audit', { accept: 'application/x-ndjson' })).text();
  const lines = exported.trimEnd().split('\n');
  expect(lines.map((line) => Date.parse(JSON.parse(line).at))).toEqual([1000, 2000, 2500, 3000]);
  expect(await (await service.get('/v1/audit?format=ndjson')).text()).toBe(exported);
});

test('changes of secrets, keys and workers are in it; only admins read it', async () => {
  await using service = await openService();
  await service.send('PUT', '/v1/secrets/TOKEN', { value: 'never shown' });
  const made = await service.send('POST', '/v1/api-keys', { name: 'ci', role: 'submitter' });
  const { key } = await bodyOf<{ key: string }>(made);
  await service.send('POST', '/v1/workers/n1/drain');
  await service.send('DELETE', '/v1/secrets/TOKEN');
  const page = await audit(service);
  expect(page.entries.map(({ action, target, actor }) => `${actor} ${action} ${target}`)).toEqual([
    'key:admin secret.delete TOKEN',
    'key:admin worker.drain n1',
    'key:admin api-key.create ci',
    'key:admin secret.put TOKEN',
  ]);
  expect(JSON.stringify(page)).not.toMatch(new RegExp(`never shown|${key}|${ADMIN_KEY}`));
  expect((await service.get('/v1/audit', { authorization: `Bearer ${key}` })).status).toBe(403);
});

test('it has a retention of its own', async () => {
  await using service = await openService();
  const day = 86_400_000;
  const [old, fresh] = [told({ at: Date.now() - 400 * day }), told({ at: Date.now() - 100 * day })];
  await applierOf(service).apply([old, fresh]);
  await keepRetention(service.deps, { retentionDays: 30, auditRetentionDays: 365 });
  expect((await audit(service)).entries.map(({ id }) => id)).toEqual([fresh.entry.id]);
});
