import {
  EGRESS_PORT,
  formatTraceparent,
  JOB_HOST,
  RUNTIME_HOST,
  RUNTIME_URL,
  SPAN,
  spanIdFor,
} from '@cronium/contracts';
import type { SandboxRequest } from './runtime.ts';

/** Docker's own default (moby/oci, DefaultPathEnv). */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const PROXY_URL = `http://${RUNTIME_HOST}:${EGRESS_PORT}`;

/** Where scripts, http and tool jobs run; it is empty when they start. */
export const WORKSPACE = '/workspace';

/**
 * The whole environment of a job's programs: the image's, then the fleet's defaults, the spec's, and last what the
 * fleet sets and nobody may change.
 */
export function jobEnvironment(request: SandboxRequest, imageEnv: readonly string[]): Record<string, string> {
  const { spec } = request;
  return {
    PATH: DEFAULT_PATH,
    HOSTNAME: JOB_HOST,
    HOME: spec.type === 'container' ? '/tmp' : WORKSPACE,
    ...parseEnv(imageEnv),
    ...tracing(request),
    ...(usesEgress(request) ? egress(spec) : {}),
    ...spec.env,
    CRONIUM_JOB_ID: request.jobId,
    CRONIUM_JOB_TYPE: spec.type,
    CRONIUM_EXECUTION_MODE: 'container',
    CRONIUM_EXECUTION_ID: request.attemptId,
    CRONIUM_EXECUTION_TOKEN: request.executionToken,
    CRONIUM_RUNTIME_API: RUNTIME_URL,
  };
}

/** May this job reach anything beyond its sidecar? An http job may reach the address that it names. */
export function usesEgress({ spec }: Pick<SandboxRequest, 'spec'>): boolean {
  return spec.egress !== 'none' || spec.type === 'http';
}

/** What the job reaches without the proxy stays without it. */
function egress({ services }: SandboxRequest['spec']): Readonly<Record<string, string>> {
  const NO_PROXY = [RUNTIME_HOST, 'localhost', '127.0.0.1', ...services].join(',');
  return {
    HTTP_PROXY: PROXY_URL,
    HTTPS_PROXY: PROXY_URL,
    NO_PROXY,
    http_proxy: PROXY_URL,
    https_proxy: PROXY_URL,
    no_proxy: NO_PROXY,
    NODE_USE_ENV_PROXY: '1',
  };
}

/** With these the OpenTelemetry SDKs of any language send to the sidecar, below the attempt's `run` span. */
function tracing({ attemptId, executionToken, payload, spec }: SandboxRequest): Record<string, string> {
  return {
    TRACEPARENT: formatTraceparent({
      traceId: payload.traceId,
      spanId: spanIdFor(attemptId, SPAN.run),
      sampled: true,
    }),
    OTEL_EXPORTER_OTLP_ENDPOINT: `${RUNTIME_URL}/otlp`,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    // An SDK that is not told sends these as well, and complains of the answer.
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_SERVICE_NAME: spec.name === '' ? 'job' : spec.name,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${executionToken}`,
  };
}

/** `NAME=value` each; a name without `=` has an empty value. */
function parseEnv(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const at = entry.indexOf('=');
      return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
}
