import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { theme } from '../shell/theme.ts';

/** A line or a stack of bars over time. */
export interface Series {
  readonly label: string;
  /** A custom property, such as `--fill-running`. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  /** What it shows, in words, for those who don't see it. */
  readonly summary: string;
  /** Unix milliseconds. */
  readonly times: readonly number[];
  readonly series: readonly Series[];
  readonly kind: 'bars' | 'lines' | 'area';
  readonly format: (value: number) => string;
  /** Values are counts: nothing stands between two whole numbers. */
  readonly whole?: boolean;
}

const HEIGHT = 168;

const WHOLE_STEPS = [1, 2, 5]
  .flatMap((step) => Array.from({ length: 9 }, (_, power) => step * 10 ** power))
  .sort((a, b) => a - b);

/** A chart over time. Charts of a page share their cursor. */
export function Chart(props: ChartProps): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>();
  const shown = theme();
  const shape = `${props.kind} ${props.series.map(({ label }) => label).join()} ${shown}`;
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const chart = new uPlot(optionsOf(props, element), dataOf(props), element);
    plot.current = chart;
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(dataOf(props)), [props.times, props.series]);
  return (
    <figure class="chart">
      <div ref={host} role="img" aria-label={props.summary} />
      <figcaption class="legend">
        {props.series.map(({ label, colour }) => (
          <span key={label}>
            <i style={{ background: `var(${colour})` }} />
            {label}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

/** Bars stand on each other: each series holds the sum of those below it, the tallest is drawn first. */
function dataOf({ times, series, kind }: ChartProps): uPlot.AlignedData {
  const seconds = times.map((ms) => ms / 1000);
  if (kind !== 'bars') return [seconds, ...series.map(({ values }) => [...values])];
  const sums = series.map((_, index) =>
    times.map((_time, at) =>
      series.slice(0, index + 1).reduce((sum, { values }) => sum + (values[at] ?? 0), 0),
    ),
  );
  return [seconds, ...sums.reverse()];
}

function optionsOf(props: ChartProps, element: HTMLElement): uPlot.Options {
  const colour = (name: string) => resolved(element, name);
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--border'), width: 1 },
    ticks: { show: false },
    font: '11px "Inter Variable", sans-serif',
  };
  const drawn = props.kind === 'bars' ? props.series.toReversed() : props.series;
  return {
    width: element.clientWidth,
    height: HEIGHT,
    // Half of a time fits to the right of the last line of the grid.
    padding: [10, 22, 0, 0],
    legend: { show: false },
    cursor: {
      sync: { key: 'overview' },
      drag: { x: false, y: false },
      points: { show: props.kind !== 'bars' },
    },
    scales: {
      x: { time: true },
      y: { range: (_plot, _min, max) => [0, Math.max(max * 1.08, Number.MIN_VALUE)] },
    },
    axes: [
      { ...axis, size: 28, values: (_plot, ticks) => ticks.map(clock) },
      {
        ...axis,
        size: 58,
        values: (_plot, ticks) => ticks.map((tick) => (tick === 0 ? '0' : props.format(tick))),
        ...(props.whole === true && { incrs: WHOLE_STEPS }),
      },
    ],
    series: [{}, ...drawn.map((one) => seriesOf(one, props.kind, colour))],
    hooks: { setCursor: [tooltip(props)] },
  };
}

function seriesOf(
  { label, colour }: Series,
  kind: ChartProps['kind'],
  resolve: (name: string) => string,
): uPlot.Series {
  const stroke = resolve(colour);
  const bars = uPlot.paths.bars?.({ size: [0.72, 28], align: 1, radius: 0.12 });
  if (kind === 'bars' && bars !== undefined)
    return { label, fill: stroke, width: 0, paths: bars, points: { show: false } };
  return {
    label,
    stroke,
    width: 2,
    spanGaps: true,
    points: { show: false },
    ...(kind === 'area' && { fill: `${stroke.replace(')', ' / 0.18)')}` }),
  };
}

/** Canvas needs a plain colour: the property's value as the browser resolves it for the theme. */
function resolved(element: HTMLElement, name: string): string {
  const before = element.style.color;
  element.style.color = `var(${name})`;
  const { color } = getComputedStyle(element);
  element.style.color = before;
  // rgb(1, 2, 3) as rgb(1 2 3), to which an alpha can be added.
  return color.replaceAll(',', '');
}

const hours = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const seconds = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

function clock(tick: number): string {
  const date = new Date(tick * 1000);
  if (date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0) return days.format(date);
  return date.getSeconds() === 0 ? hours.format(date) : seconds.format(date);
}

/** Shows the values below the cursor. */
function tooltip(props: ChartProps): (plot: uPlot) => void {
  let box: HTMLDivElement | undefined;
  return (plot) => {
    const { idx, left = 0 } = plot.cursor;
    if (box === undefined) {
      box = document.createElement('div');
      box.className = 'chart-tip';
      plot.over.append(box);
    }
    box.hidden = idx === null || idx === undefined || left < 0;
    if (idx === null || idx === undefined || left < 0) return;
    const lines = props.series.flatMap(({ label, values }) => {
      const value = values[idx];
      return value === null || value === undefined ? [] : [`${label}  ${props.format(value)}`];
    });
    box.textContent = [seconds.format(props.times[idx]), ...lines].join('\n');
    const isRight = left > plot.over.clientWidth / 2;
    box.style.left = isRight ? '' : `${left + 12}px`;
    box.style.right = isRight ? `${plot.over.clientWidth - left + 12}px` : '';
  };
}
