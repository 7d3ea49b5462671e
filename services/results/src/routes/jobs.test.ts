import { type JobPage, newJobId, type QueuePayload, type TraceView, type WhyView } from '@cronium/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ingestAttempts } from '../ingest/attempts.ts';
import { failureOf, payloadOf, successOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type ProblemBody, type TestService } from '../test/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service[Symbol.asyncDispose]());

const json = <T>(path: string) => bodyOf<T>(service.get(path));

/** Jobs whose times are equal in pairs, so that only their ids tell them apart. */
async function someJobs(count: number, pool: string): Promise<string[]> {
  const ids = Array.from({ length: count }, newJobId);
  const updates = ids.map((id, index) =>
    updateOf(id, 1, {
      payload: payloadOf(
        id,
        { acceptedAt: 1000.25 + Math.floor(index / 2) },
        { pool, name: `Job ${index}`, labels: { n: `${index}` } },
      ),
    }),
  );
  await ingestAttempts(service.deps.db, updates);
  return ids;
}

test('pages of any size list every job once, newest first', async () => {
  const ids = await someJobs(25, 'paging');
  for (const limit of [1, 3, 24, 25, 26]) {
    const seen: string[] = [];
    const times: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: JobPage = await json(`/v1/jobs?pool=paging&limit=${limit}${cursor && `&cursor=${cursor}`}`);
      seen.push(...page.jobs.map(({ id }) => id));
      times.push(...page.jobs.map(({ acceptedAt }) => acceptedAt ?? ''));
      cursor = page.cursor;
    }
    expect(seen.toSorted()).toEqual(ids.toSorted());
    expect(times).toEqual(times.toSorted().reverse());
  }
});

test('a row says how long the program ran, which is less than the time until the job’s end', async () => {
  const [ended, running] = [newJobId(), newJobId()];
  const payloads = [ended, running].map((id) => payloadOf(id, {}, { pool: 'ran' }));
  await ingestAttempts(service.deps.db, successOf(ended, 1, payloads[0]));
  await ingestAttempts(service.deps.db, successOf(running, 1, payloads[1]).slice(0, 3));
  const { jobs } = await json<JobPage>('/v1/jobs?pool=ran');
  expect(Object.fromEntries(jobs.map(({ id, runMs }) => [id, runMs]))).toEqual({
    [ended]: 200,
    [running]: null,
  });
});

test('filters by state, label, name and time', async () => {
  const ids = await someJobs(6, 'filters');
  const list = async (query: string) => {
    const { jobs } = await json<JobPage>(`/v1/jobs?pool=filters&${query}`);
    return jobs.map(({ id }) => id);
  };
  await ingestAttempts(service.deps.db, [failureOf(ids[0] ?? '', 1)]);
  expect(await list('state=failed,lost')).toEqual([ids[0]]);
  expect(await list('label=n:3')).toEqual([ids[3]]);
  expect(await list('label=n=3&label=n:4')).toEqual([]);
  expect(await list('name=oB%204')).toEqual([ids[4]]);
  expect(await list('name=%25')).toEqual([]);
  expect((await list('from=1970-01-01T00:00:01.002Z&to=1970-01-01T00:00:01.003Z')).toSorted()).toEqual(
    ids.slice(4).toSorted(),
  );
});

test('a job is found from the moment of its 202, wherever it is', async () => {
  const id = newJobId();
  await service.fleet.submit(id, payloadOf(id, {}, { requires: { gpu: 'true' } }), { announce: false });
  expect(await json(`/v1/jobs/${id}`)).toMatchObject({ id, state: 'queued', attempts: 0, attemptList: [] });
  expect((await json<TraceView>(`/v1/jobs/${id}/trace`)).spans.map(({ name }) => name)).toEqual([
    'job',
    'enqueue',
    'queue wait',
  ]);
  expect((await service.get(`/v1/jobs/${id}/logs`)).status).toBe(200);
  expect(await json(`/v1/jobs/${id}/why`)).toMatchObject({
    state: 'queued',
    explanation: 'No worker serves pool default with {"gpu":"true"}; start one, or change the job.',
  });
});

test('a job that names services waits for a node that offers them, and says so', async () => {
  const id = newJobId();
  const spec = { requires: { gpu: 'true' }, services: ['reporting-db'] };
  await service.fleet.submit(id, payloadOf(id, {}, spec), { announce: false });
  const offer = { labels: { gpu: 'true' }, services: [{ name: 'reporting-db', ports: [5432] }] };
  await service.fleet.heartbeat({ labels: offer.labels });
  expect(await json(`/v1/jobs/${id}/why`)).toMatchObject({
    explanation:
      'No worker serves pool default with {"gpu":"true"} and the service reporting-db; start one, set CRONIUM_SERVICES of one, or change the job.',
  });
  await service.fleet.heartbeat(offer);
  expect(await json(`/v1/jobs/${id}/why`)).toMatchObject({
    explanation: expect.stringMatching(/slots are free for pool default with .* the service reporting-db/),
  });
  expect(await json('/v1/workers')).toMatchObject({ workers: [{ services: offer.services }] });
  await service.fleet.heartbeat();
  expect(await json('/v1/workers')).toMatchObject({ workers: [{ services: [] }] });
});

test('says why a job waits: busy, paused, delayed, taken', async () => {
  const [id, delayed] = [newJobId(), newJobId()];
  const { valkey, keys } = service.deps;
  await service.fleet.submit(id, payloadOf(id));
  await service.fleet.submit(delayed, payloadOf(delayed), { delay: 60_000 });
  const why = async (of: string) => (await json<WhyView>(`/v1/jobs/${of}/why`)).explanation;
  expect(await why(id)).toContain('4 slots are free');
  await service.fleet.heartbeat({ busy: 4 });
  expect(await why(id)).toContain('All 4 slots');
  await service.fleet.heartbeat({ state: 'not_ready', reasons: ['no runtime image'] });
  expect(await why(id)).toContain('n1 is not_ready (no runtime image)');
  await valkey.sadd(keys.pausedPools, 'default');
  expect(await why(id)).toContain('paused; let it go on with: cronium unpause default');
  expect(await why(delayed)).toContain('delayed until');
  await valkey.del(keys.pausedPools);
  await service.fleet.heartbeat();
});

test('a job of another tenant, an unknown one and a wrong id are 404; a wrong key is 401', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [updateOf(id, 1, { payload: payloadOf(id, { tenant: 'other' }) })]);
  for (const path of [id, newJobId(), 'job_1', '../x', '%00', `${id}/logs`, `${id}/trace`, `${id}/nothing`]) {
    expect([path, (await service.get(`/v1/jobs/${path}`)).status]).toEqual([path, 404]);
  }
  expect((await service.get('/v1/jobs', { authorization: 'Bearer nope' })).status).toBe(401);
  expect((await service.app.request('/v1/jobs')).headers.get('content-type')).toBe(
    'application/problem+json',
  );
});

test('wrong queries are named', async () => {
  const response = await service.get('/v1/jobs?limit=1001&state=done&label=x&from=today&colour=red');
  const { errors } = await bodyOf<ProblemBody>(response);
  expect(response.status).toBe(400);
  expect(errors.map(({ path }) => path).toSorted()).toEqual(['colour', 'from', 'label', 'limit', 'state[0]']);
  expect(errors.find(({ path }) => path === 'label')?.message).toBe('must be name=value or name:value');
  expect((await service.get('/v1/jobs?cursor=abc')).status).toBe(400);
  expect((await service.get('/v1/jobs?name=%00')).status).toBe(400);
});

test('a death of a job that has not ended tells its state', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, successOf(id).slice(0, 3));
  const answer = await service.get(`/v1/jobs/${id}/death`);
  expect(answer.status).toBe(404);
  const { detail } = await bodyOf<{ detail: string }>(answer);
  expect(detail).toBe(`There is no death of job ${id}: it has not ended, it is running.`);
});

test('a death is served for an attempt that failed, and 404 for one that did not', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [failureOf(id, 1, { final: false }), ...successOf(id, 2)]);
  expect(await json(`/v1/jobs/${id}/death?attempt=1`)).toMatchObject({
    cause: 'exit',
    exitCode: 3,
    attempt: 1,
  });
  expect((await service.get(`/v1/jobs/${id}/death`)).status).toBe(404);
  expect(await json(`/v1/jobs/${id}`)).toMatchObject({
    state: 'succeeded',
    attempts: 2,
    exitCode: 0,
    timings: { run: 200 },
  });
});

test('a payload goes back to the producer as it was queued, NUL and all', async () => {
  const id = newJobId();
  const payload = payloadOf(
    id,
    {},
    { input: { text: 'a\0b', zero: 0, no: false, nothing: null, half: '\ud800' } },
  );
  await service.fleet.submit(id, payload);
  await ingestAttempts(service.deps.db, [failureOf(id, 1, { payload })]);
  const found = await json<{ payload: QueuePayload }>(`/internal/v1/jobs/${id}/payload`);
  expect(found).toMatchObject({ jobId: id, state: 'failed', attempts: 1 });
  expect(found.payload.spec).toEqual(payload.spec);
});
