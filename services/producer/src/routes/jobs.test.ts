import { gzipSync, zstdCompressSync } from 'node:zlib';
import { acceptedJob, jobIdForKey, problem, traceIdForJob } from '@cronium/contracts';
import { describe, expect, it } from 'vitest';
import { JOB, startApp, submit, type TestApp } from '../test/harness.ts';

async function refused(app: TestApp, body: unknown, headers?: Record<string, string>) {
  const response = await app.post('/v1/jobs', body, headers);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  const document = problem.parse(await response.json());
  expect(document.status).toBe(response.status);
  return document;
}

describe('a good job', () => {
  it('is in the queue and announced when it is answered', async () => {
    await using app = await startApp();
    const response = await app.post('/v1/jobs', { ...JOB, name: 'x', priority: 7 });
    expect(response.status).toBe(202);
    const { id, state, traceId } = acceptedJob.parse(await response.json());
    expect({ id, state }).toEqual({ id: expect.stringMatching(/^job_[0-9A-Za-z]{12}$/), state: 'queued' });
    expect(traceId).toBe(traceIdForJob(id));
    expect((await app.payloads()).get(id)).toMatchObject({
      v: 1,
      tenant: 'default',
      traceId,
      attemptBase: 0,
      spec: { name: 'x', timeoutSeconds: 3600 },
    });
    expect(await app.events()).toEqual([
      { type: 'accepted', queue: 'default', jobs: [id], at: expect.any(Number) },
    ]);
    expect(await app.valkey.hgetall(app.keys.queues)).toEqual({
      default: '{"pool":"default","requires":{}}',
    });
    expect(JSON.parse((await app.valkey.hget(`${app.prefix}:default:${id}`, 'opts')) ?? '')).toMatchObject({
      priority: 994,
      attempts: 1,
      removeOnComplete: true,
    });
  });

  it('belongs to the trace that it came with', async () => {
    await using app = await startApp();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const { id, traceId } = await submit(app, JOB, { traceparent });
    expect(traceId).toBe('0af7651916cd43dd8448eb211c80319c');
    expect((await app.payloads()).get(id)).toMatchObject({ traceId, parentSpanId: 'b7ad6b7169203331' });
  });

  it('waits until it is due', async () => {
    await using app = await startApp();
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    const ids = [];
    for (const when of [{ delaySeconds: 60 }, { runAt }])
      ids.push((await submit(app, { ...JOB, ...when })).id);
    expect((await app.valkey.zrange(`${app.prefix}:default:delayed`, '0', '-1')).sort()).toEqual(ids.sort());
  });

  it('may wait for a year at most, however that is said', async () => {
    await using app = await startApp();
    for (const [field, value] of [
      ['delaySeconds', 31_536_001],
      ['runAt', '9999-12-31T23:59:59Z'],
    ] as const) {
      const response = await app.post('/v1/jobs', { ...JOB, [field]: value });
      expect(response.status).toBe(422);
      expect(problem.parse(await response.json()).errors?.map(({ path }) => path)).toEqual([field]);
    }
  });

  it('goes to the queue of its pool and its requirements, which is made known to workers', async () => {
    await using app = await startApp();
    await using told = {
      messages: [] as string[],
      valkey: app.valkey.duplicate(),
      [Symbol.asyncDispose]: async () => told.valkey.disconnect(),
    };
    told.valkey.on('message', (_, message) => told.messages.push(message));
    await told.valkey.connect();
    await told.valkey.subscribe(app.keys.queuesChanged);
    await app.post('/v1/jobs', { ...JOB, pool: 'big', requires: { gpu: 'true' } });
    const queues = await app.valkey.hgetall(app.keys.queues);
    const [name = ''] = Object.keys(queues);
    expect(name).toMatch(/^big~[0-9a-f]{12}$/);
    expect(JSON.parse(queues[name] ?? '')).toEqual({ pool: 'big', requires: { gpu: 'true' } });
    expect((await app.payloads(name)).size).toBe(1);
    expect(told.messages).toEqual([name]);
  });

  it('may be compressed', async () => {
    await using app = await startApp();
    for (const [encoding, compress] of [
      ['gzip', gzipSync],
      ['zstd', zstdCompressSync],
    ] as const) {
      const response = await app.post('/v1/jobs', compress(JSON.stringify(JOB)), {
        'content-encoding': encoding,
      });
      expect(response.status).toBe(202);
    }
  });
});

describe('a bad job', () => {
  const DEEP = `{"type":"script","input":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`;
  const cases: [what: string, body: unknown, status: number, says: RegExp][] = [
    ['an empty body', '', 400, /empty/],
    ['no JSON', 'hello', 400, /not valid JSON/],
    ['a cut-off document', '{"type":"script"', 400, /not valid JSON/],
    ['bytes that are not UTF-8', Uint8Array.of(0x22, 0xff, 0x22), 400, /UTF-8/],
    ['a million levels', DEEP, 400, /deeper than 64/],
    ['a key that stands twice', '{"type":"script","type":"http"}', 400, /"type" stands twice/],
    ['__proto__', '{"__proto__":{}}', 400, /__proto__/],
    ['another kind of value', '[]', 422, /object/],
    ['an unknown type', { ...JOB, type: 'shell' }, 422, /type: /],
    ['an unknown field', { ...JOB, id: 'job_000000000000' }, 422, /id: unknown field/],
    ['an unknown field deep down', { ...JOB, resources: { cpu: 1 } }, 422, /resources\.cpu: unknown field/],
    ['a negative timeout', { ...JOB, timeoutSeconds: -1 }, 422, /timeoutSeconds: /],
    [
      'a number beyond all numbers',
      JSON.stringify({ ...JOB, timeoutSeconds: 1 }).replace(':1}', ':1e999}'),
      422,
      /timeoutSeconds: /,
    ],
    ['an image name with a shell in it', { type: 'container', image: 'busybox; rm -rf /' }, 422, /image: /],
    [
      'a NUL in a script',
      { type: 'script', script: { language: 'bash', source: 'echo \0' } },
      422,
      /script\.source: .*NUL/,
    ],
    [
      'a variable of the fleet',
      { ...JOB, env: { CRONIUM_JOB_ID: 'x' } },
      422,
      /env\.CRONIUM_JOB_ID: .*CRONIUM_/,
    ],
    ['a body above the limit', 'x'.repeat(20_000_000), 413, /8388608 bytes at most/],
  ];

  it.each(cases)('with %s is refused, and nothing else happens', async (_, body, status, says) => {
    await using app = await startApp();
    const document = await refused(app, body);
    expect(document.status).toBe(status);
    expect(document.detail).toMatch(says);
    expect(document.detail?.length).toBeLessThan(1100);
    expect(await app.events()).toEqual([]);
    expect((await app.post('/v1/jobs', JOB)).status).toBe(202);
  });

  it('names every wrong field', async () => {
    await using app = await startApp();
    const document = await refused(app, { ...JOB, timeoutSeconds: 0, priority: 5000, nonsense: 1 });
    expect(document.errors?.map(({ path }) => path).sort()).toEqual([
      'nonsense',
      'priority',
      'timeoutSeconds',
    ]);
  });

  it('does not come back in full length', async () => {
    await using app = await startApp();
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}${'x'.repeat(500)}`, 1]));
    const document = await refused(app, { ...JOB, ...many });
    expect(document.errors).toHaveLength(21);
    expect(JSON.stringify(document).length).toBeLessThan(20_000);
  });

  it.each([
    ['text/plain', /use application\/json/],
    ['application/json; charset=latin1', /UTF-8/],
  ])('of type %s is refused', async (type, says) => {
    await using app = await startApp();
    expect(await refused(app, '{}', { 'content-type': type })).toMatchObject({
      status: 415,
      detail: expect.stringMatching(says),
    });
  });

  it('with an unknown or broken compression is refused', async () => {
    await using app = await startApp();
    expect(await refused(app, '{}', { 'content-encoding': 'br' })).toMatchObject({ status: 415 });
    expect(await refused(app, 'no gzip', { 'content-encoding': 'gzip' })).toMatchObject({
      status: 400,
      detail: expect.stringMatching(/not valid gzip/),
    });
    expect(await refused(app, 'no zstd', { 'content-encoding': 'zstd' })).toMatchObject({
      status: 400,
      detail: expect.stringMatching(/not valid zstd/),
    });
  });

  it('that would expand without end is refused', async () => {
    await using app = await startApp();
    const bomb = gzipSync(Buffer.alloc(200 * 2 ** 20, ' '));
    expect(await refused(app, bomb, { 'content-encoding': 'gzip' })).toMatchObject({
      status: 413,
      detail: expect.stringMatching(/expands/),
    });
  });
});

describe('an Idempotency-Key', () => {
  const key = { 'idempotency-key': 'order 17' };

  it('makes one job of fifty submits at once', async () => {
    await using app = await startApp();
    const answers = await Promise.all(Array.from({ length: 50 }, () => submit(app, JOB, key)));
    expect(new Set(answers.map(({ id }) => id))).toEqual(new Set([jobIdForKey('default', 'order 17')]));
    expect((await app.payloads()).size).toBe(1);
  });

  it('keeps the job for a day after its end, so that a repeat finds it', async () => {
    await using app = await startApp();
    const { id } = await submit(app, JOB, key);
    expect(JSON.parse((await app.valkey.hget(`${app.prefix}:default:${id}`, 'opts')) ?? '')).toMatchObject({
      removeOnComplete: { age: 86_400 },
    });
  });

  it('may not come with another job', async () => {
    await using app = await startApp();
    await app.post('/v1/jobs', JOB, key);
    expect(await refused(app, { ...JOB, name: 'another' }, key)).toMatchObject({
      status: 422,
      title: expect.stringMatching(/another body/),
    });
    expect((await app.post('/v1/jobs', JSON.stringify(JOB, null, 2), key)).status).toBe(202);
  });

  it('stays in the trace of the first submit', async () => {
    await using app = await startApp();
    const trace = (digit: string) => ({ ...key, traceparent: `00-${digit.repeat(32)}-b7ad6b7169203331-01` });
    const first = await submit(app, JOB, trace('a'));
    expect(await submit(app, JOB, trace('b'))).toEqual(first);
  });

  it('does not bring a cancelled job back', async () => {
    await using app = await startApp();
    const { id } = await submit(app, JOB, key);
    await app.post(`/v1/jobs/${id}/cancel`, {});
    // As results does on the event.
    await app.valkey.zrem(`${app.prefix}:default:prioritized`, id);
    await app.valkey.del(`${app.prefix}:default:${id}`);
    expect((await app.post('/v1/jobs', JOB, key)).status).toBe(202);
    expect((await app.payloads()).size).toBe(0);
  });

  it.each(['', 'x'.repeat(201)])('of a wrong form is refused: %j', async (value) => {
    await using app = await startApp();
    expect(await refused(app, JOB, { 'idempotency-key': value })).toMatchObject({
      status: 400,
      errors: [{ path: 'Idempotency-Key' }],
    });
  });
});
