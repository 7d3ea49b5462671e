export type { Span } from '@opentelemetry/api';
export { CATALOG, type MetricDefinition, type MetricName } from './catalog.ts';
export { createLogger, type Logger, type LoggerOptions } from './logger.ts';
export {
  boundedLabel,
  createMetrics,
  MAX_POOLS,
  type Metrics,
  type Reading,
  SECONDS_BUCKETS,
} from './metrics.ts';
export { inSpan, withParent } from './span.ts';
export { createSpanSender, type RecordedSpan, type SpanSender } from './span-sender.ts';
export { startTelemetry, type Telemetry, type TelemetryOptions, tracesUrl } from './telemetry.ts';
