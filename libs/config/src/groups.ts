import { field, optionalField } from './define.ts';
import { keyPrefix, oneOf, pairs, port, positiveSeconds, text, url } from './kinds.ts';

/** The queue's store. Every service that talks to Valkey spreads this. */
export const valkey = {
  CRONIUM_VALKEY_URL: field(url('redis', 'rediss'), {
    doc: 'Where Valkey is. It must keep its data (appendonly yes) and never evict (maxmemory-policy noeviction).',
    default: 'redis://127.0.0.1:6379',
  }),
  CRONIUM_PREFIX: field(keyPrefix, {
    doc: 'What every key of this fleet in Valkey begins with. The braces keep all keys in one cluster slot. Two fleets may share a Valkey under two prefixes.',
    default: '{cronium}',
  }),
};

/** The keys that open the API before any was made through it. */
export const apiKeys = {
  CRONIUM_API_KEYS: field(pairs, {
    doc: 'API keys that are good from the start, as name=key pairs with commas between them. Keys made later through the API are stored.',
    default: '',
    example: 'admin=a-long-random-text',
    secret: true,
  }),
};

/** Where a service listens. */
export function http(options: { port: number }) {
  return {
    CRONIUM_HOST: field(text, {
      doc: 'The address to listen on. 127.0.0.1 keeps it to this machine.',
      default: '0.0.0.0',
    }),
    CRONIUM_PORT: field(port, {
      doc: 'The port to listen on. 0 takes a free one and prints it.',
      default: String(options.port),
    }),
  };
}

/** How a service stops. */
export function shutdown(options: { seconds: number }) {
  return {
    CRONIUM_SHUTDOWN_SECONDS: field(positiveSeconds, {
      doc: 'After SIGTERM: how long the service may take to finish what it is doing and close its connections.',
      default: String(options.seconds),
    }),
  };
}

/** What a service writes to its standard output. */
export const logging = {
  CRONIUM_LOG_LEVEL: field(oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']), {
    doc: 'The least important log lines to print: trace, debug, info, warn, error, fatal or silent. One JSON object a line.',
    default: 'info',
  }),
};

/** Where a service's own traces go. The names are OpenTelemetry's; the SDK reads its other OTEL_* variables itself. */
export const telemetry = {
  OTEL_EXPORTER_OTLP_ENDPOINT: optionalField(url('http', 'https'), {
    doc: 'An OTLP/HTTP collector for the service’s own spans. Nothing is exported without it.',
    example: 'http://127.0.0.1:4318',
  }),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: optionalField(url('http', 'https'), {
    doc: 'The same for traces alone, with the full path; stronger than OTEL_EXPORTER_OTLP_ENDPOINT.',
    example: 'http://127.0.0.1:4318/v1/traces',
  }),
};

/** Where results is, for those who talk to it. */
export const resultsUrl = {
  CRONIUM_RESULTS_URL: field(url('http', 'https'), {
    doc: 'Where the results service is.',
    default: 'http://127.0.0.1:7071',
  }),
};

/** Where the producer is, for those who talk to it. */
export const producerUrl = {
  CRONIUM_PRODUCER_URL: field(url('http', 'https'), {
    doc: 'Where the producer is.',
    default: 'http://127.0.0.1:7070',
  }),
};
