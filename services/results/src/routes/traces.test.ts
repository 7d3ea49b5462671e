import { gzipSync } from 'node:zlib';
import {
  attemptIdOf,
  newJobId,
  SPAN,
  type SpanView,
  spanIdFor,
  TIMELINE_MOMENTS,
  type TimelineEntry,
  type TraceView,
  traceIdForJob,
} from '@cronium/contracts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ingestAttempts } from '../ingest/attempts.ts';
import { encodeRequest } from '../otlp/proto.ts';
import { failureOf, payloadOf, updateOf } from '../test/fleet.ts';
import { bodyOf, openService, type TestService } from '../test/service.ts';

let service: TestService;
beforeAll(async () => {
  service = await openService();
});
afterAll(() => service[Symbol.asyncDispose]());

const protobuf = (body: Uint8Array, headers: Record<string, string>, path = '/v1/traces') =>
  service.app.request(path, {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': 'application/x-protobuf', ...headers },
  });
const admin = async () => ({ authorization: 'Bearer admin-key-of-the-tests' });
const spansOf = async (id: string): Promise<SpanView[]> =>
  (await bodyOf<TraceView>(service.get(`/v1/jobs/${id}/trace`))).spans;

function timelineFrom(at: number): TimelineEntry[] {
  return TIMELINE_MOMENTS.filter((moment) => !moment.startsWith('pre_task')).map((moment, index) => ({
    moment,
    at: at + index,
  }));
}

/** Spans of which each is two bytes, or three in JSON. */
const emptySpans = (count: number) => ({
  protobuf: encodeRequest('TraceRequest', {
    resourceSpans: [{ scopeSpans: [{ spans: Array.from({ length: count }, () => ({})) }] }],
  }),
  json: `{"resourceSpans":[{"scopeSpans":[{"spans":[${Array(count).fill('{}').join()}]}]}]}`,
});

test('a request of few bytes that would be millions of objects is refused before it is', async () => {
  const bomb = emptySpans(600_000);
  const json = { ...(await admin()), 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const answers = [
    await protobuf(gzipSync(bomb.protobuf), { ...(await admin()), 'content-encoding': 'gzip' }),
    await service.app.request('/v1/traces', { method: 'POST', headers: json, body: gzipSync(bomb.json) }),
  ];
  for (const answer of answers) {
    expect([answer.status, await answer.text()]).toEqual([
      400,
      expect.stringMatching(/send fewer at a time/),
    ]);
  }
  const fine = emptySpans(1000);
  const answer = await protobuf(fine.protobuf, await admin());
  expect(answer.status).toBe(200);
});

test('one trace from the submitter’s span over both attempts to the job’s own spans', async () => {
  const id = newJobId();
  const traceId = 'a'.repeat(32);
  const payload = payloadOf(id, {
    traceId,
    parentSpanId: 'b'.repeat(16),
    receivedAt: 1000,
    acceptedAt: 1010,
  });
  const end = {
    outcome: { state: 'succeeded', exitCode: 0, death: null },
    final: true,
    state: 'succeeded',
  } as const;
  await ingestAttempts(service.deps.db, [
    failureOf(id, 1, { final: false, payload }),
    updateOf(id, 2, { payload, ...end, timeline: timelineFrom(5000) }),
  ]);
  const run = spanIdFor(attemptIdOf(id, 2), SPAN.run);
  const span = {
    traceId,
    spanId: 'c'.repeat(16),
    parentSpanId: run,
    name: 'inner',
    startTimeUnixNano: '5016500000000',
    endTimeUnixNano: '5017250000000',
  };
  const sent = await service.send(
    'POST',
    `/runtime/v1/executions/${id}.2/otlp/v1/traces`,
    { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] },
    await service.fleet.executionAuth(id, 2),
  );
  expect([sent.status, await sent.json()]).toEqual([200, {}]);

  const spans = await spansOf(id);
  const byId = new Map(spans.map((one) => [one.spanId, one]));
  const pathOf = (one: SpanView | undefined): string =>
    one === undefined ? '' : `${pathOf(byId.get(one.parentSpanId ?? ''))}/${one.name}`;
  expect(spans.map(pathOf).toSorted()).toEqual(
    [
      '/job',
      '/job/enqueue',
      '/job/queue wait',
      '/job/attempt 1',
      '/job/attempt 1/claim',
      '/job/attempt 1/run',
      '/job/queue wait',
      '/job/attempt 2',
      ...[
        'claim',
        'network',
        'image',
        'sidecar',
        'container create',
        'container start',
        'tenant pre-task',
        'setup',
        'run',
        'run/first byte',
        'run/inner',
        'log drain',
        'teardown',
      ].map((name) => `/job/attempt 2/${name}`),
    ].toSorted(),
  );
  expect(byId.get(spanIdFor(id, SPAN.job))).toMatchObject({
    parentSpanId: 'b'.repeat(16),
    startMs: 1000,
    status: 'ok',
    traceId,
  });
  expect(byId.get(spanIdFor(`${id}.2`, SPAN.queueWait))).toMatchObject({ startMs: 2030, endMs: 5000 });
  expect(byId.get('c'.repeat(16))).toMatchObject({
    startMs: 5_016_500,
    service: 'job',
    attributes: { 'cronium.job': id },
  });
  for (const one of spans) expect(one.endMs).toBeGreaterThanOrEqual(one.startMs);
  const whole = await bodyOf<TraceView>(service.get(`/v1/traces/${traceId}`));
  expect(whole.spans.length).toBe(spans.length);
});

test('protobuf and gzip are read, repeats stored once, bad ids counted as rejected', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [updateOf(id, 1)]);
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  const good = {
    traceId: bytes(traceIdForJob(id)),
    spanId: bytes('0102030405060708'),
    name: 'client',
    kind: 3,
    startTimeUnixNano: 1_700_000_000_000_000_000n.toString(),
    endTimeUnixNano: 1_700_000_000_500_000_000n.toString(),
    status: { code: 2, message: 'broke' },
    attributes: [
      { key: 'n', value: { intValue: '9007199254740993' } },
      { key: 'list', value: { arrayValue: { values: [{ boolValue: false }, { doubleValue: 0 }] } } },
    ],
    events: [{ name: 'e', timeUnixNano: '1700000000100000000', attributes: [] }],
  };
  const body = encodeRequest('TraceRequest', {
    resourceSpans: [
      {
        resource: { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] },
        scopeSpans: [{ spans: [good, { ...good, spanId: bytes('00') }] }],
      },
    ],
  });
  for (const headers of [{}, { 'content-encoding': 'gzip' }]) {
    const response = await protobuf('content-encoding' in headers ? gzipSync(body) : body, {
      ...headers,
      ...(await admin()),
    });
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBeGreaterThan(0);
  }
  const own = (await spansOf(id)).filter(({ service: by }) => by === 'shop');
  expect(own).toEqual([
    expect.objectContaining({
      name: 'client',
      kind: 'client',
      status: 'error',
      startMs: 1_700_000_000_000,
      endMs: 1_700_000_000_500,
      attributes: { n: '9007199254740993', list: [false, 0], 'status.message': 'broke' },
      events: [{ name: 'e', atMs: 1_700_000_000_100, attributes: {} }],
    }),
  ]);
});

test('a job whose SDK begins a trace of its own has its spans below the run span of the attempt', async () => {
  const id = newJobId();
  await ingestAttempts(service.deps.db, [updateOf(id, 1)]);
  const auth = await service.fleet.executionAuth(id);
  const traceId = 'e'.repeat(32);
  const [root, child] = ['1'.repeat(16), '2'.repeat(16)];
  const spans = [
    { traceId, spanId: root, name: 'root' },
    { traceId, spanId: child, parentSpanId: root, name: 'child' },
  ];
  const path = `/runtime/v1/executions/${id}.1/otlp/v1/`;
  await service.send('POST', `${path}traces`, { resourceSpans: [{ scopeSpans: [{ spans }] }] }, auth);
  const logRecords = [{ timeUnixNano: '5000000', body: { stringValue: 'hm' }, traceId, spanId: child }];
  await service.send('POST', `${path}logs`, { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }, auth);
  const found = (await spansOf(id)).filter(({ spanId }) => [root, child].includes(spanId));
  expect(found).toMatchObject([
    {
      name: 'root',
      traceId: traceIdForJob(id),
      parentSpanId: spanIdFor(`${id}.1`, SPAN.run),
      attributes: { 'cronium.sent_trace_id': traceId },
    },
    { name: 'child', traceId: traceIdForJob(id), parentSpanId: root, events: [{ name: 'hm' }] },
  ]);
});

test('log records show as events of their spans; what a job sends is tied to it whatever it says', async () => {
  const id = newJobId();
  const traceId = traceIdForJob(id);
  await ingestAttempts(service.deps.db, [updateOf(id, 1)]);
  const auth = await service.fleet.executionAuth(id);
  const spanId = 'd'.repeat(16);
  const lie = [{ key: 'cronium.job', value: { stringValue: newJobId() } }];
  const to = (kind: string, body: unknown) =>
    service.send('POST', `/runtime/v1/executions/${id}.1/otlp/v1/${kind}`, body, auth);
  await to('traces', {
    resourceSpans: [
      { resource: { attributes: lie }, scopeSpans: [{ spans: [{ traceId, spanId, name: 's' }] }] },
    ],
  });
  const record = {
    timeUnixNano: '5000000',
    severityText: 'WARN',
    body: { stringValue: 'watch out\0' },
    traceId,
    spanId,
  };
  await to('logs', { resourceLogs: [{ scopeLogs: [{ logRecords: [record, record] }] }] });
  const span = (await spansOf(id)).find((one) => one.spanId === spanId);
  expect(span?.attributes['cronium.job']).toBe(id);
  expect(span?.events).toEqual([{ name: 'watch out\ufffd', atMs: 5, attributes: { severity: 'WARN' } }]);
});

test('of a trace with many jobs the first ones are shown, each with its own; a job’s trace has its own wherever it stands', async () => {
  const traceId = 'f'.repeat(32);
  const ids = Array.from({ length: 102 }, newJobId);
  const [first = '', last = ''] = [ids[0], ids.at(-1)];
  await ingestAttempts(
    service.deps.db,
    ids.map((id, index) =>
      updateOf(id, 1, { payload: payloadOf(id, { traceId, acceptedAt: 1000 + index }) }),
    ),
  );
  const sent = (name: string) => ({
    traceId,
    spanId: name.repeat(16),
    name,
    startTimeUnixNano: '5000000000',
  });
  for (const [id, name] of [
    [first, '1'],
    [last, '2'],
  ] as const) {
    const path = `/runtime/v1/executions/${id}.1/otlp/v1/`;
    const auth = await service.fleet.executionAuth(id);
    await service.send(
      'POST',
      `${path}traces`,
      { resourceSpans: [{ scopeSpans: [{ spans: [sent(name)] }] }] },
      auth,
    );
    const logRecords = [{ timeUnixNano: '5', body: { stringValue: id }, traceId, spanId: name.repeat(16) }];
    await service.send('POST', `${path}logs`, { resourceLogs: [{ scopeLogs: [{ logRecords }] }] }, auth);
  }
  await service.send('POST', '/v1/traces', { resourceSpans: [{ scopeSpans: [{ spans: [sent('3')] }] }] });
  const stored = (spans: readonly SpanView[]) =>
    spans
      .filter(({ name }) => name.length === 1)
      .map(({ name, events }) => [name, events.map((event) => event.name)]);
  const whole = await bodyOf<TraceView>(service.get(`/v1/traces/${traceId}`));
  expect(stored(whole.spans)).toEqual([
    ['1', [first]],
    ['3', []],
  ]);
  const jobs = new Set(whole.spans.map(({ attributes }) => attributes['cronium.job']));
  expect([whole.truncated, jobs.size, jobs.has(ids[99]), jobs.has(ids[100])]).toEqual([
    true,
    101,
    true,
    false,
  ]);
  expect(stored(await spansOf(last))).toEqual([
    ['2', [last]],
    ['3', []],
  ]);
});

test('what is not OTLP is refused with a reason', async () => {
  const auth = await admin();
  expect((await protobuf(Buffer.from([1, 2, 3]), auth)).status).toBe(400);
  expect((await protobuf(Buffer.from('no gzip'), { ...auth, 'content-encoding': 'gzip' })).status).toBe(400);
  expect(
    (await protobuf(gzipSync(Buffer.alloc(20_000_000)), { ...auth, 'content-encoding': 'gzip' })).status,
  ).toBe(413);
  expect((await service.send('POST', '/v1/traces', { resourceSpans: 5 })).status).toBe(400);
  expect((await protobuf(Buffer.from('x'), { ...auth, 'content-type': 'text/plain' })).status).toBe(415);
  expect((await service.get('/v1/traces/zz')).status).toBe(404);
});
