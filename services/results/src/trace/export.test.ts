import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newJobId, SPAN, type SpanView, spanIdFor, traceIdForJob } from '@cronium/contracts';
import { createMetrics } from '@cronium/telemetry';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import type { IngestUpdate } from '../ingest/fold-updates.ts';
import { failureOf, payloadOf, successOf } from '../test/fleet.ts';
import { openService, type TestService } from '../test/service.ts';
import { TraceExport } from './export.ts';

interface SentSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

interface Collector extends AsyncDisposable {
  readonly url: string;
  readonly spans: SentSpan[];
  readonly services: Set<string>;
  /** The status that it answers with. */
  status: number;
}

async function openCollector(): Promise<Collector> {
  const server = createServer(async (request, response) => {
    const text = Buffer.concat(await request.toArray()).toString();
    response.writeHead(collector.status, { 'content-type': 'application/json' }).end('{}');
    if (collector.status !== 200) return;
    for (const { resource, scopeSpans } of JSON.parse(text).resourceSpans) {
      collector.services.add(resource.attributes[0].value.stringValue);
      for (const { spans } of scopeSpans) collector.spans.push(...spans);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans: [],
    services: new Set(),
    status: 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return collector;
}

const openWith = ({ url }: Collector, ratio = '1') =>
  openService({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: url, CRONIUM_TRACE_SAMPLE_RATIO: ratio } });

async function report(service: TestService, updates: readonly IngestUpdate[]): Promise<void> {
  const answer = await service.send('POST', '/internal/v1/attempts', updates, await service.fleet.nodeAuth());
  expect(answer.status).toBe(200);
}

const waiting = async ({ deps }: TestService) =>
  (await deps.db.selectFrom('trace_outbox').selectAll().execute()).length;
const nothingWaits = (service: TestService) =>
  eventually(async () => expect(await waiting(service)).toBe(0), { what: 'all traces are sent' });
const metric = async ({ deps }: TestService, pattern: RegExp) => pattern.exec(await deps.metrics.text())?.[1];

/** An attempt that failed, whose sandbox is removed. */
function failed(id: string): IngestUpdate {
  const update = failureOf(id, 1);
  const at = (update.timeline.at(-1)?.at ?? 0) + 5;
  return { ...update, timeline: [...update.timeline, { moment: 'teardown_ended', at }] };
}

test('the trace of an ended job goes to the collector whole, once, with the ids that the API shows', async () => {
  await using collector = await openCollector();
  await using service = await openWith(collector);
  service.start();
  const id = newJobId();
  const updates = successOf(id);
  await report(service, updates.slice(0, -1));
  expect(await waiting(service)).toBe(1);
  await report(service, updates.slice(-1));
  await report(service, updates.slice(-1));
  await nothingWaits(service);
  const { spans } = (await (await service.get(`/v1/jobs/${id}/trace`)).json()) as { spans: SpanView[] };
  expect(collector.spans.map(({ spanId }) => spanId).sort()).toEqual(
    spans.map(({ spanId }) => spanId).sort(),
  );
  const job = collector.spans.find(({ name }) => name === SPAN.job);
  expect(job).toMatchObject({ traceId: traceIdForJob(id), spanId: spanIdFor(id, SPAN.job), kind: 2 });
  expect(job?.attributes).toContainEqual({
    key: 'cicd.pipeline.result',
    value: { stringValue: 'success' },
  });
  expect([...collector.services].sort()).toEqual(['cronium-producer', 'cronium-worker']);
  expect(await metric(service, /traces_exported_total\{[^}]*\} (\d+)/)).toBe('1');
});

test('sampling leaves out the unremarkable, and is counted', async () => {
  await using collector = await openCollector();
  await using service = await openWith(collector, '0');
  service.start();
  const [good, bad] = [newJobId(), newJobId()];
  await report(service, successOf(good));
  await report(service, [failed(bad)]);
  await nothingWaits(service);
  expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([traceIdForJob(bad)]));
  expect(await metric(service, /traces_dropped_total\{reason="sampled"[^}]*\} (\d+)/)).toBe('1');
});

test('while the collector is away traces wait, a bounded number of them, and jobs are stored as ever', async () => {
  await using collector = await openCollector();
  collector.status = 503;
  await using service = await openWith(collector);
  const { db, log } = service.deps;
  const ids = [newJobId(), newJobId(), newJobId()];
  for (const id of ids) await report(service, [failed(id)]);
  const send = async () => {
    if (collector.status !== 200) throw new Error('503');
    sent.push('spans');
  };
  const sent: string[] = [];
  const stopping = new AbortController();
  const sender = { send, stop: async () => undefined };
  const options = { db, log, sender, rule: { ratio: 1, slowMs: 1 }, maxWaiting: 2 };
  const other = new TraceExport({ ...options, metrics: createMetrics('results') });
  await db.updateTable('trace_outbox').set({ due_ms: 0 }).execute();
  const running = other.run(stopping.signal);
  await eventually(async () => expect(await waiting(service)).toBe(2), { what: 'the oldest is given up' });
  expect((await service.get(`/v1/jobs/${ids[0]}`)).status).toBe(200);
  collector.status = 200;
  await nothingWaits(service);
  expect(sent).toHaveLength(1);
  stopping.abort();
  await running;
});

test('spans of a submitter, which belong to no job, are passed on at once', async () => {
  await using collector = await openCollector();
  await using service = await openWith(collector);
  const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), name: 'nightly', startTimeUnixNano: '1' };
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'shop' } }] };
  await service.send('POST', '/v1/traces', {
    resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }],
  });
  await eventually(async () => expect(collector.spans).toMatchObject([{ name: 'nightly' }]), {
    what: 'the span is passed on',
  });
  expect([...collector.services]).toEqual(['shop']);
});

test('without a collector nothing is noted', async () => {
  await using service = await openService();
  await report(service, successOf(newJobId(), 1, payloadOf(newJobId())));
  expect(await waiting(service)).toBe(0);
});
