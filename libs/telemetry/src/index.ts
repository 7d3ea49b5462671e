export type { Span } from '@opentelemetry/api';
export { createLogger, type Logger, type LoggerOptions } from './logger.ts';
export {
  createMetrics,
  type GaugeOptions,
  type MetricOptions,
  type Metrics,
  SECONDS_BUCKETS,
} from './metrics.ts';
export { hidePasswords } from './redact.ts';
export { inSpan, withParent } from './span.ts';
export { startTelemetry, type Telemetry, type TelemetryOptions, tracesUrl } from './telemetry.ts';
