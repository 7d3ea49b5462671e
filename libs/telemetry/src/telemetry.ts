import type { NodeSDK } from '@opentelemetry/sdk-node';

/** What {@link startTelemetry} needs to know. */
export interface TelemetryOptions {
  readonly service: string;
  readonly version: string;
  readonly node?: string;
  /** OTEL_EXPORTER_OTLP_ENDPOINT: the collector's base address; `/v1/traces` is added. */
  readonly endpoint?: string | undefined;
  /** OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: the full address for traces; stronger than `endpoint`. */
  readonly tracesEndpoint?: string | undefined;
}

/** Running telemetry. */
export interface Telemetry {
  /** False when no collector is configured: spans then cost nothing and go nowhere. */
  readonly exporting: boolean;
  /** Sends what is left, for at most this long (default 3,000 ms). Idempotent, never rejects. */
  stop(options?: { timeoutMs?: number }): Promise<void>;
}

/**
 * Starts OpenTelemetry when a collector is configured. A collector that is down never disturbs the service: spans are
 * dropped past the SDK's bounds. Without a collector the SDK is not even loaded: it takes 45 MB.
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const url = tracesUrl(options);
  if (url === undefined) return { exporting: false, stop: async () => undefined };
  const [{ NodeSDK: Sdk }, { OTLPTraceExporter }, { resourceFromAttributes }] = await Promise.all([
    import('@opentelemetry/sdk-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const sdk = new Sdk({
    resource: resourceFromAttributes(resourceOf(options)),
    traceExporter: new OTLPTraceExporter({ url }),
    // Metrics are served by /metrics and logs go to standard output.
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
  });
  sdk.start();
  let stopped: Promise<void> | undefined;
  return {
    exporting: true,
    stop: ({ timeoutMs = 3000 } = {}) => (stopped ??= stopWithin(sdk, timeoutMs)),
  };
}

/** Where traces go, by the rules of the OTLP exporter specification. */
export function tracesUrl(
  options: Pick<TelemetryOptions, 'endpoint' | 'tracesEndpoint'>,
): string | undefined {
  if (options.tracesEndpoint) return options.tracesEndpoint;
  return options.endpoint ? `${options.endpoint.replace(/\/+$/, '')}/v1/traces` : undefined;
}

function resourceOf({ service, version, node }: TelemetryOptions): Record<string, string> {
  const attributes = { 'service.name': service, 'service.version': version };
  return node === undefined ? attributes : { ...attributes, 'service.instance.id': node };
}

async function stopWithin(sdk: NodeSDK, timeoutMs: number): Promise<void> {
  const { promise: outOfTime, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, timeoutMs);
  // Spans that could not be sent are lost by design; the collector's state is not the service's failure.
  await Promise.race([sdk.shutdown().catch(() => undefined), outOfTime]);
  clearTimeout(timer);
}
