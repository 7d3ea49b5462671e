// The spans of an http job's exchange, sent to the runtime API as OTLP/JSON below the attempt's run span.
import { randomBytes } from 'node:crypto';

const CLIENT = 3;
const INTERNAL = 1;
const TIMEOUT_MS = 5000;
/** What follows what, and the name of each part's span. */
const PARTS = [
  ['dnsMs', 'dns'],
  ['connectMs', 'connect'],
  ['tlsMs', 'tls'],
  ['firstByteMs', 'first byte'],
];

/** Sends the spans. A trace that can't be stored is not worth a job: it is missing then, with a line in the log. */
export async function recordExchange(exchange) {
  const endpoint = process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const parent = /^00-([0-9a-f]{32})-([0-9a-f]{16})-/.exec(process.env.TRACEPARENT ?? '');
  if (!endpoint || !parent) return;
  try {
    const response = await fetch(`${endpoint}/v1/traces`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${process.env.CRONIUM_EXECUTION_TOKEN ?? ''}`,
      },
      body: JSON.stringify(traces(exchange, { traceId: parent[1], parentSpanId: parent[2] })),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    if (!response.ok) console.error(`the spans of the exchange were refused: ${response.status}`);
  } catch (error) {
    console.error(`the spans of the exchange could not be sent: ${error.message}`);
  }
}

function traces({ url, method, status, beganAt, timings }, { traceId, parentSpanId }) {
  const span = (name, kind, parent, fromMs, toMs, attributes = []) => ({
    traceId,
    spanId: randomBytes(8).toString('hex'),
    parentSpanId: parent,
    name,
    kind,
    startTimeUnixNano: nanoseconds(beganAt + fromMs),
    endTimeUnixNano: nanoseconds(beganAt + toMs),
    attributes,
  });
  // https://opentelemetry.io/docs/specs/semconv/http/http-spans/
  const whole = span(method, CLIENT, parentSpanId, 0, timings.totalMs, [
    { key: 'http.request.method', value: { stringValue: method } },
    { key: 'url.full', value: { stringValue: withoutCredentials(url) } },
    { key: 'server.address', value: { stringValue: url.hostname } },
    { key: 'http.response.status_code', value: { intValue: String(status) } },
  ]);
  let atMs = 0;
  const parts = PARTS.filter(([timing]) => timings[timing] !== undefined).map(([timing, name]) => {
    const fromMs = atMs;
    atMs += timings[timing];
    return span(name, INTERNAL, whole.spanId, fromMs, atMs);
  });
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'cronium-http-job' } }] };
  return {
    resourceSpans: [
      { resource, scopeSpans: [{ scope: { name: 'cronium.http-job' }, spans: [whole, ...parts] }] },
    ],
  };
}

const nanoseconds = (milliseconds) => String(BigInt(Math.round(milliseconds * 1000)) * 1000n);

function withoutCredentials(url) {
  const plain = new URL(url);
  plain.username = '';
  plain.password = '';
  return plain.href;
}
