import { createServer } from 'node:http';
import { type JobView, newJobId } from '@cronium/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ingestAttempts } from '../ingest/attempts.ts';
import { payloadOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type ProblemBody, type TestService } from '../test/service.ts';

interface Data<T = unknown> {
  readonly data: T;
}

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service[Symbol.asyncDispose]());

/** A running attempt and a way to speak for it. */
async function attempt(n = 1, spec = {}) {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [
    updateOf(id, n, { payload: payloadOf(id, {}, spec), state: 'running' }),
  ]);
  const auth = await service.fleet.executionAuth(id, n);
  const call = (method: string, path: string, body?: unknown) =>
    service.send(method, `/runtime/v1/executions/${id}.${n}/${path}`, body, auth);
  return { id, auth, call };
}

test('false, 0, "", null and texts that databases dislike come back as they went in', async () => {
  const { id, call } = await attempt();
  const odd = [false, 0, '', null, 'a\0b', '\ud800', { 'a b': [1.5, { '': null }] }, [], {}];
  for (const [index, value] of odd.entries()) {
    expect((await call('PUT', `variables/odd${index}`, { value })).status).toBe(200);
    expect((await bodyOf<Data>(call('GET', `variables/odd${index}`))).data).toEqual({
      key: `odd${index}`,
      value,
      version: 1,
    });
    expect((await call('POST', 'output', { data: value })).status).toBe(200);
    expect((await bodyOf<JobView>(service.get(`/v1/jobs/${id}`))).output).toEqual(value);
  }
});

test('50 increments at once count to 50; 20 appends keep every text', async () => {
  const { call } = await attempt();
  await Promise.all(Array.from({ length: 50 }, () => call('POST', 'variables/count/increment', { by: 1 })));
  expect((await bodyOf<Data>(call('GET', 'variables/count'))).data).toMatchObject({
    value: 50,
    version: 50,
  });
  await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      call('POST', 'variables/list/append', { text: `${n}`, separator: ',' }),
    ),
  );
  const { value } = (await bodyOf<Data<{ value: string }>>(call('GET', 'variables/list'))).data;
  expect(
    value
      .split(',')
      .map(Number)
      .toSorted((a: number, b: number) => a - b),
  ).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect((await call('POST', 'variables/list/increment', {})).status).toBe(409);
});

test('a version guards a variable', async () => {
  const { call } = await attempt();
  expect((await call('PUT', 'variables/v', { value: 1, ifVersion: 0 })).status).toBe(200);
  expect((await call('PUT', 'variables/v', { value: 2, ifVersion: 0 })).status).toBe(409);
  expect((await call('PUT', 'variables/v', { value: 2, ifVersion: 1 })).status).toBe(200);
  expect((await call('DELETE', 'variables/v')).status).toBe(200);
  expect((await call('GET', 'variables/v')).status).toBe(404);
  expect((await call('PUT', 'variables/v', {})).status).toBe(400);
});

test('a token serves its own execution alone, until it is revoked or a newer attempt has the job', async () => {
  const { id, auth, call } = await attempt();
  const other = await attempt();
  const path = `/runtime/v1/executions/${other.id}.1/condition`;
  expect((await service.send('POST', path, { condition: true }, auth)).status).toBe(403);
  expect((await service.send('POST', path, { condition: true }, await service.fleet.nodeAuth())).status).toBe(
    401,
  );
  expect((await service.send('POST', path, { condition: true })).status).toBe(401);
  expect((await call('POST', 'condition', { condition: false })).status).toBe(200);
  await ingestAttempts(service.deps.db, [updateOf(id, 2)]);
  expect((await call('POST', 'condition', { condition: true })).status).toBe(409);
  const { valkey, keys } = service.deps;
  await valkey.set(keys.revoked(`jti-${id}.1-0123456789`), '1');
  expect((await call('GET', 'variables/x')).status).toBe(403);
  await valkey.del(keys.revoked(`jti-${id}.1-0123456789`));
});

test('progress, condition and an output of up to 5 MiB show in the job', async () => {
  const { id, call } = await attempt();
  expect((await call('POST', 'output', { data: 'x'.repeat(5 * 2 ** 20 - 2) })).status).toBe(200);
  expect((await call('POST', 'output', { data: 'x'.repeat(5 * 2 ** 20) })).status).toBe(413);
  await call('POST', 'progress', { percent: 40, message: 'on it' });
  await call('POST', 'progress', { percent: 50 });
  expect((await call('POST', 'progress', {})).status).toBe(200);
  await call('POST', 'condition', { condition: true });
  const job = await bodyOf<JobView>(service.get(`/v1/jobs/${id}`));
  expect([job.progress, job.condition, String(job.output).length]).toEqual([
    { percent: 50, message: 'on it' },
    true,
    5 * 2 ** 20 - 2,
  ]);
});

test('a job reads the secrets that its spec names, and no others', async () => {
  await service.send('PUT', '/v1/secrets/TOKEN', { value: 'sesame\n' });
  await service.send('PUT', '/v1/secrets/OTHER', { value: 'x' });
  const { call } = await attempt(1, { secrets: ['TOKEN', 'MISSING'] });
  expect((await bodyOf<Data>(call('GET', 'secrets/TOKEN'))).data).toEqual({
    name: 'TOKEN',
    value: 'sesame\n',
  });
  expect((await call('GET', 'secrets/OTHER')).status).toBe(403);
  expect((await call('GET', 'secrets/MISSING')).status).toBe(404);
  // What the worker masks.
  expect((await bodyOf<Data>(call('GET', 'secrets'))).data).toEqual({ TOKEN: 'sesame\n' });
  const { rows } = await service.deps.db
    .selectFrom('sealed')
    .select('sealed')
    .execute()
    .then((all) => ({ rows: all }));
  for (const { sealed } of rows) expect(sealed.includes('sesame')).toBe(false);
});

test.each([
  ['empty', ''],
  ['with a NUL', 'a\0b'],
  ['half a surrogate pair', '\ud800'],
])('a secret that no process can be given is refused: %s', async (_, value) => {
  const refused = await service.send('PUT', '/v1/secrets/ODD', { value });
  expect([refused.status, (await bodyOf<ProblemBody>(refused)).errors]).toMatchObject([
    400,
    [{ path: 'value' }],
  ]);
});

test('artifacts are kept with their hash and served as downloads; paths stay inside', async () => {
  const { id, auth, call } = await attempt();
  const bytes = Buffer.from([0, 1, 2, 255]);
  const put = await service.send(
    'PUT',
    `/runtime/v1/executions/${id}.1/artifacts/out/a%20b.bin`,
    bytes,
    auth,
  );
  expect((await bodyOf<Data>(put)).data).toMatchObject({ path: 'out/a b.bin', bytes: 4 });
  expect((await call('PUT', 'artifacts/..%2F..%2Fetc', {})).status).toBe(400);
  expect((await call('PUT', 'artifacts/a%0A..%2F%2F', {})).status).toBe(400);
  const { artifacts } = await bodyOf<{ artifacts: unknown[] }>(service.get(`/v1/jobs/${id}/artifacts`));
  expect(artifacts).toEqual([expect.objectContaining({ path: 'out/a b.bin', attempt: 1 })]);
  const download = await service.get(`/v1/jobs/${id}/artifacts/out/a%20b.bin`);
  expect(Buffer.from(await download.arrayBuffer())).toEqual(bytes);
  expect(download.headers.get('content-disposition')).toContain('attachment');
});

test('a tool is called with the stored credential; its failure is 502 with its answer', async () => {
  const seen: string[] = [];
  const slack = createServer((request, response) => {
    request.on('data', (data) => seen.push(String(data)));
    request.on('end', () =>
      response.writeHead(seen.length === 1 ? 200 : 403).end(seen.length === 1 ? 'ok' : 'no such channel'),
    );
  });
  await new Promise<void>((resolve) => slack.listen(0, '127.0.0.1', resolve));
  const address = slack.address();
  const port = typeof address === 'object' ? address?.port : 0;
  try {
    const stored = await service.send('PUT', '/v1/credentials/team', {
      tool: 'slack',
      webhookUrl: `http://127.0.0.1:${port}/`,
    });
    expect(stored.status).toBe(204);
    const { auth } = await attempt();
    const body = { tool: 'slack', action: 'send_message', config: { text: 'hi', credential: 'team' } };
    const say = () => service.send('POST', '/runtime/v1/tool-actions/execute', body, auth);
    expect((await bodyOf<Data>(say())).data).toEqual({ status: 200, answer: 'ok' });
    const failed = await say();
    expect([failed.status, (await bodyOf<ProblemBody>(failed)).detail]).toEqual([
      502,
      'Slack answered 403: no such channel',
    ]);
    expect(seen[0]).toBe('{"text":"hi"}');
  } finally {
    slack.close();
  }
});

test('a job whose stored payload this version cannot read may still use a tool, by the tool’s own credential', async () => {
  const { id, auth } = await attempt();
  await service.deps.db.updateTable('jobs').set({ payload: '{' }).where('id', '=', id).execute();
  const body = { tool: 'slack', action: 'send-message', config: {} };
  const answer = await service.send('POST', '/runtime/v1/tool-actions/execute', body, auth);
  expect([answer.status, await answer.json()]).toMatchObject([
    404,
    { detail: expect.stringContaining('credential slack') },
  ]);
});
