import { CATALOG, type MetricDefinition } from '@cronium/telemetry';

const SECTIONS: readonly (readonly [service: MetricDefinition['service'], title: string])[] = [
  ['producer', 'Producer'],
  ['worker', 'Worker'],
  ['results', 'Results'],
  ['every service', 'Every service'],
];

/** The page that lists every metric, from the catalogue that they are made by. */
export function metricsPage(): string {
  return [
    '# Metrics',
    '',
    'Generated from `libs/telemetry/src/catalog.ts` by `node deploy/docs.ts`; do not edit.',
    '',
    'Every service answers `GET /metrics` in the Prometheus text format, without a key. Every metric has the label',
    '`service`; those of workers have `node`. Labels take a bounded number of values, whatever jobs are called.',
    '`deploy/grafana` has a Prometheus configuration, alert rules and dashboards.',
    '',
    ...SECTIONS.flatMap(([service, title]) => section(service, title)),
    'From the process itself: `process_cpu_seconds_total`, `process_resident_memory_bytes`, `process_open_fds`,',
    '`process_start_time_seconds`, `nodejs_eventloop_lag_seconds` and its percentiles (the event loop’s delay,',
    'looked at every 50 ms: the percentiles of a loop that is free are 0.05),',
    '`nodejs_gc_duration_seconds`, `nodejs_heap_size_used_bytes` and the others of prom-client.',
    '',
    'The sidecar of a job answers `GET /metrics` inside the job’s network, with `cronium_runtime_requests_total{status}`,',
    '`cronium_runtime_egress_total{result}` and `cronium_runtime_service_connections_total{service,result}`.',
    '',
  ].join('\n');
}

function section(service: MetricDefinition['service'], title: string): string[] {
  const rows = Object.entries<MetricDefinition>(CATALOG)
    .filter(([, definition]) => definition.service === service)
    .map(
      ([name, { type, help, labels = {} }]) =>
        `| \`cronium_${name}\` | ${type} | ${help} | ${listed(labels)} |`,
    );
  return [`## ${title}`, '', '| metric | type | what | labels |', '|---|---|---|---|', ...rows, ''];
}

function listed(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, values]) => `\`${name}\`: ${values}`)
    .join('; ');
}
