import {
  type Attributes,
  type AttributeValue,
  type HrTime,
  SpanKind,
  SpanStatusCode,
} from '@opentelemetry/api';
import type { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import type { resourceFromAttributes } from '@opentelemetry/resources';
import { type TelemetryOptions, tracesUrl } from './telemetry.ts';

/** A span that was recorded elsewhere, ready to be sent. */
export interface RecordedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  /** `service.name` of its resource. */
  readonly service: string;
  readonly kind: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly status: 'unset' | 'ok' | 'error';
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly {
    readonly name: string;
    readonly atMs: number;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
}

/** The way of recorded spans to a collector. */
export interface SpanSender {
  /** Sends spans with their own ids and times. @throws when the collector does not take them */
  send(spans: readonly RecordedSpan[]): Promise<void>;
  stop(): Promise<void>;
}

type ReadableSpan = Parameters<OTLPTraceExporter['export']>[0][number];
const SENT = 0;

/**
 * A sender to the collector that the OTEL_* variables name; `undefined` when they name none. Headers, compression and
 * time-out are read from the environment by OpenTelemetry's exporter itself.
 */
export function createSpanSender(
  options: Pick<TelemetryOptions, 'endpoint' | 'tracesEndpoint'>,
): SpanSender | undefined {
  const url = tracesUrl(options);
  if (url === undefined) return undefined;
  let loading: Promise<Exporter> | undefined;
  return {
    async send(spans) {
      loading ??= loadExporter(url);
      const { exporter, resourceOf } = await loading;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const readable = spans.map((span) => toReadable(span, resourceOf));
      exporter.export(readable, ({ code, error }) => {
        if (Number(code) === SENT) resolve();
        else reject(error ?? new Error(`the collector at ${url} did not take spans`));
      });
      return promise;
    },
    stop: async () => (await loading)?.exporter.shutdown(),
  };
}

interface Exporter {
  readonly exporter: OTLPTraceExporter;
  readonly resourceOf: typeof resourceFromAttributes;
}

/** Not before there is something to send: it takes 30 MB. */
async function loadExporter(url: string): Promise<Exporter> {
  const [{ OTLPTraceExporter: Otlp }, { resourceFromAttributes: resourceOf }] = await Promise.all([
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  return { exporter: new Otlp({ url }), resourceOf };
}

const KINDS: Readonly<Record<string, SpanKind>> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
};
const STATUS = { unset: SpanStatusCode.UNSET, ok: SpanStatusCode.OK, error: SpanStatusCode.ERROR };

function toReadable(span: RecordedSpan, resourceOf: Exporter['resourceOf']): ReadableSpan {
  const { traceId, spanId, parentSpanId, startMs, endMs } = span;
  const context = (id: string) => ({ traceId, spanId: id, traceFlags: 1 });
  return {
    name: span.name,
    kind: KINDS[span.kind] ?? SpanKind.INTERNAL,
    spanContext: () => context(spanId),
    ...(parentSpanId !== null && { parentSpanContext: context(parentSpanId) }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(endMs - startMs),
    ended: true,
    status: { code: STATUS[span.status] },
    attributes: attributesOf(span.attributes),
    links: [],
    events: span.events.map(({ name, atMs, attributes }) => ({
      name,
      time: hrTime(atMs),
      attributes: attributesOf(attributes),
    })),
    resource: resourceOf({ 'service.name': span.service }),
    instrumentationScope: { name: 'cronium' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Milliseconds with fractions as seconds and nanoseconds. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.round((ms - seconds * 1000) * 1_000_000)];
}

function attributesOf(values: Readonly<Record<string, unknown>>): Attributes {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, plain(value)]));
}

/** What OTLP has no simple value for goes as JSON. */
function plain(value: unknown): AttributeValue {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  return JSON.stringify(value) ?? '';
}
