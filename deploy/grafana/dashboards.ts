/** The Grafana dashboards, as code: `node deploy/docs.ts` writes them as JSON into `dashboards/`. */

/** One graph: a title, a unit of Grafana's, and queries with their legends. */
interface Panel {
  readonly title: string;
  readonly unit?: 'short' | 's' | 'bytes' | 'Bps' | 'ops' | 'percentunit';
  readonly type?: 'timeseries' | 'stat';
  readonly stacked?: boolean;
  readonly queries: readonly (readonly [expression: string, legend: string])[];
}

const COLUMNS = 3;
const WIDTH = 24 / COLUMNS;
const HEIGHT = 8;

const quantile = (share: number, metric: string, by: string) =>
  `histogram_quantile(${share}, sum by (le, ${by}) (rate(${metric}_bucket[$__rate_interval])))`;

const QUEUES: readonly Panel[] = [
  {
    title: 'Jobs waiting',
    queries: [['max by (pool) (cronium_queue_jobs{state="waiting"})', '{{pool}}']],
  },
  {
    title: 'Age of the oldest waiting job',
    unit: 's',
    queries: [['max by (pool) (cronium_queue_oldest_seconds)', '{{pool}}']],
  },
  {
    title: 'Accepted, claimed, ended',
    unit: 'ops',
    queries: [
      ['sum(rate(cronium_producer_jobs_accepted_total[$__rate_interval]))', 'accepted'],
      ['sum(rate(cronium_claims_total[$__rate_interval]))', 'claimed'],
      ['sum(rate(cronium_attempts_total[$__rate_interval]))', 'ended'],
    ],
  },
  {
    title: 'Queue wait (95 %)',
    unit: 's',
    queries: [[quantile(0.95, 'cronium_queue_wait_seconds', 'pool'), '{{pool}}']],
  },
  {
    title: 'Slots taken',
    unit: 'percentunit',
    queries: [['max by (pool) (cronium_pool_slots_busy) / max by (pool) (cronium_pool_slots)', '{{pool}}']],
  },
  { title: 'Nodes', stacked: true, queries: [['max by (state) (cronium_workers)', '{{state}}']] },
];

const OUTCOMES: readonly Panel[] = [
  {
    title: 'Ends by state',
    unit: 'ops',
    stacked: true,
    queries: [['sum by (state) (rate(cronium_attempts_total[$__rate_interval]))', '{{state}}']],
  },
  {
    title: 'Unusual ends by cause',
    unit: 'ops',
    stacked: true,
    queries: [
      ['sum by (cause) (rate(cronium_attempts_total{cause!="none"}[$__rate_interval]))', '{{cause}}'],
    ],
  },
  {
    title: 'Phases (95 %)',
    unit: 's',
    queries: [[quantile(0.95, 'cronium_attempt_phase_seconds', 'phase'), '{{phase}}']],
  },
];

const STORING: readonly Panel[] = [
  {
    title: 'Events not stored yet: age of the oldest',
    unit: 's',
    queries: [['max(cronium_events_lag_seconds)', 'events']],
  },
  {
    title: 'Log lines stored',
    unit: 'ops',
    queries: [['sum(rate(cronium_log_stored_lines_total[$__rate_interval]))', 'lines']],
  },
  {
    title: 'From a line’s writing to its storing (95 %)',
    unit: 's',
    queries: [[quantile(0.95, 'cronium_log_store_lag_seconds', 'service'), 'logs']],
  },
  {
    title: 'Requests that failed',
    unit: 'ops',
    queries: [
      ['sum(rate(cronium_producer_requests_total{status=~"5.."}[$__rate_interval]))', 'producer'],
      ['sum(rate(cronium_results_requests_total{status=~"5.."}[$__rate_interval]))', 'results'],
    ],
  },
  {
    title: 'Event loop delay (99 %)',
    unit: 's',
    queries: [['nodejs_eventloop_lag_p99_seconds', '{{service}} {{instance}}']],
  },
  { title: 'Database', unit: 'bytes', queries: [['max(cronium_database_bytes)', 'size']] },
];

const NODES: readonly Panel[] = [
  {
    title: 'Slots taken',
    queries: [['cronium_slots_busy{node=~"$node"}', '{{node}}']],
  },
  { title: 'Takes jobs', queries: [['cronium_ready{node=~"$node"}', '{{node}}']] },
  {
    title: 'Starts',
    unit: 'ops',
    stacked: true,
    queries: [['sum by (kind) (rate(cronium_starts_total{node=~"$node"}[$__rate_interval]))', '{{kind}}']],
  },
  {
    title: 'Preparation (95 %)',
    unit: 's',
    queries: [
      [
        'histogram_quantile(0.95, sum by (le, node) (rate(cronium_attempt_phase_seconds_bucket{phase="prepare",node=~"$node"}[$__rate_interval])))',
        '{{node}}',
      ],
    ],
  },
  {
    title: 'Docker calls that failed',
    unit: 'ops',
    queries: [
      [
        'sum by (call, result) (rate(cronium_docker_calls_total{result!="ok",result!="404",node=~"$node"}[$__rate_interval]))',
        '{{call}} {{result}}',
      ],
    ],
  },
  {
    title: 'Docker’s answers (95 %)',
    unit: 's',
    queries: [
      [
        'histogram_quantile(0.95, sum by (le, call) (rate(cronium_docker_call_seconds_bucket{node=~"$node"}[$__rate_interval])))',
        '{{call}}',
      ],
    ],
  },
  {
    title: 'Log bytes stored',
    unit: 'Bps',
    queries: [['rate(cronium_log_bytes_total{node=~"$node"}[$__rate_interval])', '{{node}}']],
  },
  {
    title: 'Age of the oldest log line on its way',
    unit: 's',
    queries: [['cronium_log_lag_seconds{node=~"$node"}', '{{node}}']],
  },
  {
    title: 'Outcomes on their way',
    queries: [['cronium_attempts_unreported{node=~"$node"}', '{{node}}']],
  },
  {
    title: 'Disk free',
    unit: 'percentunit',
    queries: [
      ['cronium_disk_free_bytes{node=~"$node"} / cronium_disk_size_bytes{node=~"$node"}', '{{node}}'],
    ],
  },
  {
    title: 'Memory of the worker',
    unit: 'bytes',
    queries: [['process_resident_memory_bytes{service="worker",node=~"$node"}', '{{node}}']],
  },
  {
    title: 'Losses taken over',
    unit: 'ops',
    queries: [['rate(cronium_lost_attempts_total{node=~"$node"}[$__rate_interval])', '{{node}}']],
  },
];

/** The fleet as a whole: queues, outcomes, storing. */
export function fleetDashboard(): string {
  return dashboard({
    title: 'Cronium: fleet',
    uid: 'cronium-fleet',
    panels: [...QUEUES, ...OUTCOMES, ...STORING],
  });
}

/** The nodes, one by one. */
export function nodesDashboard(): string {
  const node = {
    name: 'node',
    type: 'query',
    datasource: DATASOURCE,
    query: 'label_values(cronium_slots, node)',
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
    refresh: 2,
  };
  return dashboard({ title: 'Cronium: nodes', uid: 'cronium-nodes', panels: NODES, variables: [node] });
}

/** Every query of every dashboard. */
export function dashboardQueries(): string[] {
  return [...QUEUES, ...OUTCOMES, ...STORING, ...NODES].flatMap(({ queries }) =>
    queries.map(([text]) => text),
  );
}

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

function dashboard(options: {
  readonly title: string;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly variables?: readonly object[];
}): string {
  const datasource = { name: 'datasource', type: 'datasource', query: 'prometheus' };
  const content = {
    uid: options.uid,
    title: options.title,
    tags: ['cronium'],
    timezone: 'browser',
    schemaVersion: 39,
    refresh: '10s',
    time: { from: 'now-1h', to: 'now' },
    templating: { list: [datasource, ...(options.variables ?? [])] },
    panels: options.panels.map(toPanel),
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

function toPanel(
  { title, unit = 'short', type = 'timeseries', stacked = false, queries }: Panel,
  index: number,
) {
  const custom = { fillOpacity: 10, showPoints: 'never', stacking: { mode: stacked ? 'normal' : 'none' } };
  return {
    id: index + 1,
    title,
    type,
    datasource: DATASOURCE,
    gridPos: {
      x: (index % COLUMNS) * WIDTH,
      y: Math.floor(index / COLUMNS) * HEIGHT,
      w: WIDTH,
      h: HEIGHT,
    },
    fieldConfig: { defaults: { unit, min: 0, custom }, overrides: [] },
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(([expr, legendFormat], at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATASOURCE,
      expr,
      legendFormat,
    })),
  };
}
