import { randomBytes } from 'node:crypto';
import { ATTEMPT_SPANS, JOB_SPANS, SPAN, type SpanView, type TraceView } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestFleet } from './harness.ts';
import { bash, script, WAIT_MS } from './jobs.ts';

let fleet: TestFleet;
beforeAll(async () => {
  // Each job starts cold, and its tenant has a script: every phase there is happens.
  fleet = await TestFleet.start({ workers: [{ env: { CRONIUM_WARM_MEMORY: '0' } }] });
  const body = JSON.stringify({ source: ':' });
  const headers = { 'content-type': 'application/json' };
  expect((await fleet.request('/v1/pre-task', { method: 'PUT', headers, body })).status).toBeLessThan(300);
});
afterAll(() => fleet?.[Symbol.asyncDispose]());

const hex = (bytes: number) => randomBytes(bytes).toString('hex');

/** A submitter with a trace of its own. */
function submitter() {
  const [traceId, spanId] = [hex(16), hex(8)];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-01` };
}

/** One span in OTLP's JSON. */
function otlp(span: Readonly<Record<string, unknown>>, service: string): string {
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] };
  return JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ scope: {}, spans: [span] }] }] });
}

async function tellSubmitter({ traceId, spanId }: ReturnType<typeof submitter>): Promise<void> {
  const now = BigInt(Date.now()) * 1_000_000n;
  const times = { startTimeUnixNano: String(now - 1_000_000_000n), endTimeUnixNano: String(now) };
  const body = otlp({ traceId, spanId, name: 'nightly import', kind: 1, ...times }, 'shop');
  const headers = { 'content-type': 'application/json' };
  expect((await fleet.request('/v1/traces', { method: 'POST', headers, body })).status).toBe(200);
}

/** The last span of all is written after the job has ended. */
async function wholeTrace(id: string, names: readonly string[]): Promise<TraceView> {
  return eventually(
    async () => {
      const trace = await fleet.client.trace(id);
      const missing = names.filter((name) => !trace.spans.some((span) => span.name === name));
      const open = trace.spans.filter(({ endMs }) => endMs === null).map(({ name }) => name);
      if (missing.length + open.length > 0) throw new Error(`missing ${missing}; open ${open}`);
      return trace;
    },
    { what: `the trace of ${id} is whole`, timeoutMs: WAIT_MS },
  );
}

const named = ({ spans }: TraceView, name: string): SpanView => {
  const found = spans.filter((span) => span.name === name);
  expect(found, `spans called ${name}`).toHaveLength(1);
  return found[0] as SpanView;
};

/** Every span but the root has its parent in the trace, and its time begins no earlier than that one's. */
function expectOneTree({ spans }: TraceView, rootId: string): void {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  expect(byId.size).toBe(spans.length);
  for (const span of spans) {
    const parent = byId.get(span.parentSpanId ?? '');
    if (span.spanId === rootId) expect(span.parentSpanId).toBeNull();
    else expect(parent, `the parent of ${span.name}`).toBeDefined();
    expect(span.endMs, span.name).toBeGreaterThanOrEqual(span.startMs);
  }
}

const PHASES = Object.values(SPAN).map((name) => (name === SPAN.attempt ? `${SPAN.attempt} 1` : name));

/** Sends a span of the job's own to where its environment says. */
const OWN_SPAN = `
import json, os, secrets, time, urllib.request
version, trace, parent, flags = os.environ["TRACEPARENT"].split("-")
now = time.time_ns()
span = {"traceId": trace, "spanId": secrets.token_hex(8), "parentSpanId": parent, "name": "own work", "kind": 1,
        "startTimeUnixNano": str(now - 1000000), "endTimeUnixNano": str(now)}
body = {"resourceSpans": [{"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "importer"}}]},
        "scopeSpans": [{"scope": {}, "spans": [span]}]}]}
name, value = os.environ["OTEL_EXPORTER_OTLP_HEADERS"].split("=", 1)
urllib.request.urlopen(urllib.request.Request(os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces",
    data=json.dumps(body).encode(), headers={name: value.replace("%20", " "), "content-type": "application/json"}))
print("sent")`;

test('one trace runs from the submitter’s span through every phase to the job’s own spans', async () => {
  const from = submitter();
  const job = script('python', OWN_SPAN, { setup: 'pass', preTask: 'pass' });
  const { id, traceId } = await fleet.client.submit(job, { traceparent: from.traceparent });
  expect(traceId).toBe(from.traceId);
  await tellSubmitter(from);
  const ended = await fleet.ended(id);
  expect(ended).toMatchObject({ state: 'succeeded', traceId });
  const trace = await wholeTrace(id, [...PHASES, 'own work', 'nightly import']);
  expect(trace).toMatchObject({ traceId, truncated: false });
  expectOneTree(trace, from.spanId);
  const parentOf = (name: string) => named(trace, name).parentSpanId;
  expect(parentOf('job')).toBe(from.spanId);
  expect(parentOf('enqueue')).toBe(named(trace, 'job').spanId);
  expect(parentOf('queue wait')).toBe(named(trace, 'job').spanId);
  expect(parentOf('attempt 1')).toBe(named(trace, 'job').spanId);
  expect(parentOf('run')).toBe(named(trace, 'attempt 1').spanId);
  expect(parentOf('own work')).toBe(named(trace, 'run').spanId);
  expect(named(trace, 'own work')).toMatchObject({
    service: 'importer',
    attributes: { 'cronium.attempt': `${id}.1` },
  });
  expect(named(trace, 'attempt 1')).toMatchObject({
    status: 'ok',
    attributes: { 'cronium.node': ended.node },
  });
  const whole = await fleet.client.traceById(traceId);
  expect(whole.spans.map(({ spanId }) => spanId).sort()).toEqual(
    trace.spans.map(({ spanId }) => spanId).sort(),
  );
});

test('the phases come in their order', async () => {
  const job = await fleet.run(bash('echo hi', { setup: ':', preTask: ':' }));
  const trace = await wholeTrace(job.id, PHASES);
  const starts = [
    'enqueue',
    'queue wait',
    'attempt 1',
    'network',
    'container start',
    'setup',
    'pre-task',
    'run',
    'log drain',
    'teardown',
  ];
  const times = starts.map((name) => named(trace, name).startMs);
  expect(times).toEqual([...times].sort((a, b) => a - b));
});

test('without a traceparent the job’s span is the root; each attempt is a branch, a failed one an error', async () => {
  const retry = { attempts: 2, backoff: { delaySeconds: 0 } };
  const job = await fleet.run(bash('[ "${CRONIUM_EXECUTION_ID##*.}" = 2 ] || exit 3', { retry }));
  const trace = await wholeTrace(job.id, ['attempt 1', 'attempt 2']);
  const root = named(trace, 'job');
  expectOneTree(trace, root.spanId);
  expect(named(trace, 'attempt 1')).toMatchObject({
    status: 'error',
    parentSpanId: root.spanId,
    attributes: { 'cronium.exit_code': 3, 'cronium.cause': 'exit' },
  });
  expect(named(trace, 'attempt 2')).toMatchObject({ status: 'ok', parentSpanId: root.spanId });
  expect(trace.spans.filter(({ name }) => name === 'queue wait')).toHaveLength(2);
});

test('several jobs of one trace stand in it together, and each alone in its own view', async () => {
  const from = submitter();
  const ids = await Promise.all(
    [1, 2, 3].map(
      async () => (await fleet.client.submit(bash('exit 0'), { traceparent: from.traceparent })).id,
    ),
  );
  for (const id of ids) await fleet.ended(id);
  const whole = await fleet.client.traceById(from.traceId);
  const jobs = whole.spans.filter(({ name }) => name === 'job');
  expect(jobs.map(({ attributes }) => attributes['cronium.job']).sort()).toEqual([...ids].sort());
  for (const id of ids) expect(named(await fleet.client.trace(id), 'job').attributes['cronium.job']).toBe(id);
});

/** What the definitions say of a span in a trace. */
function definitionOf({ name }: SpanView) {
  const plain = name.replace(/^attempt \d+$/, SPAN.attempt);
  const above = JOB_SPANS.find((span) => span.name === plain);
  const phase = ATTEMPT_SPANS.find((span) => span.name === plain);
  return above ?? (phase && { ...phase, service: 'worker', kind: 'internal' });
}

test.each([
  ['succeeds', bash('echo hi', { name: 'good', setup: ':', preTask: ':' }), []],
  ['fails', bash('echo hi; exit 3', { setup: ':', preTask: ':' }), ['cronium.cause', 'error.type']],
])('the spans of a job that %s are those that docs/tracing.md is made from', async (_, job, more) => {
  const { id } = await fleet.run(job);
  const { spans } = await wholeTrace(id, PHASES);
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  for (const span of spans) {
    const definition = definitionOf(span);
    expect(definition, span.name).toBeDefined();
    if (definition === undefined) continue;
    const { service, kind, parent, attributes, sometimes } = definition;
    expect(span).toMatchObject({ service, kind });
    const parentName = byId.get(span.parentSpanId ?? '')?.name.replace(/ \d+$/, '');
    expect(parentName, `the parent of ${span.name}`).toBe(parent ?? undefined);
    const names = Object.keys(span.attributes);
    expect(names, span.name).toEqual(expect.arrayContaining([...attributes]));
    expect([...attributes, ...sometimes], span.name).toEqual(expect.arrayContaining(names));
  }
  expect(Object.keys(named({ traceId: '', spans, truncated: false }, 'attempt 1').attributes)).toEqual(
    expect.arrayContaining(more),
  );
});

test('a trace that nobody knows is 404', async () => {
  await expect(fleet.client.traceById(hex(16))).rejects.toMatchObject({ status: 404 });
});
