import type { OverviewBucket, OverviewView } from '@cronium/contracts';
import { TERMINAL_STATES } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { Chart, type ChartProps } from '../charts/chart.tsx';
import { compact } from '../format/numbers.ts';
import { duration, durationOrDash } from '../format/time.ts';
import { STATES } from '../parts/state.tsx';

/** Throughput, waiting jobs, and how long starting and running take, over the asked time. */
export function OverviewCharts({ view }: { view: OverviewView }): JSX.Element {
  const charts = useMemo(() => chartsOf(view), [view]);
  return (
    <div class="panels">
      {charts.map(({ title, chart }) => (
        <section key={title} class="card" aria-label={title}>
          <div class="card-head">
            <h2>{title}</h2>
          </div>
          <Chart {...chart} />
        </section>
      ))}
    </div>
  );
}

function chartsOf({ buckets, totals, now }: OverviewView): { title: string; chart: ChartProps }[] {
  const times = buckets.map(({ at }) => at);
  const of = (value: (bucket: OverviewBucket) => number | null) => buckets.map(value);
  const ended = TERMINAL_STATES.filter((state) => state === 'succeeded' || totals.ended[state] > 0);
  const quantiles = (name: 'start' | 'run', title: string) => ({
    title,
    chart: {
      kind: 'lines' as const,
      times,
      summary: `${title}: median ${durationOrDash(totals[name].p50)}, 95% within ${durationOrDash(totals[name].p95)}`,
      format: duration,
      series: [
        { label: 'Median', colour: '--fill-running', values: of((bucket) => bucket[name].p50) },
        { label: '95%', colour: '--fill-timed_out', values: of((bucket) => bucket[name].p95) },
      ],
    },
  });
  return [
    {
      title: 'Ended jobs',
      chart: {
        kind: 'bars',
        whole: true,
        times,
        summary: `Ended jobs: ${ended.map((state) => `${totals.ended[state]} ${STATES[state].label}`).join(', ')}`,
        format: compact,
        series: ended.map((state) => ({
          label: STATES[state].label,
          colour: `--fill-${state}`,
          values: of((bucket) => bucket.ended[state]),
        })),
      },
    },
    {
      title: 'Waiting jobs',
      chart: {
        kind: 'area',
        whole: true,
        times,
        summary: `Waiting jobs: ${now.waiting} now`,
        format: compact,
        series: [{ label: 'Waiting', colour: '--fill-queued', values: of((bucket) => bucket.waiting) }],
      },
    },
    quantiles('start', 'From the queue to the first instruction'),
    quantiles('run', 'Running time'),
  ];
}
