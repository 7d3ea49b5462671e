import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Upper bounds in seconds that suit anything from a queue call to a long job. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200,
];

/** What is counted: its name without the `cronium_` in front, what it is, and its label names. */
export interface MetricOptions<L extends string> {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
}

/** A value that goes up and down. */
export interface GaugeOptions<L extends string> extends MetricOptions<L> {
  /** Asked at each scrape, for values that are cheaper to read than to follow. */
  collect?(gauge: Gauge<L>): void | Promise<void>;
}

/** The metrics of one service, in a registry of its own. */
export interface Metrics {
  readonly registry: Registry;
  /** The body of `GET /metrics`, and the content type that goes with it. */
  text(): Promise<string>;
  readonly contentType: string;
  counter<L extends string = never>(options: MetricOptions<L>): Counter<L>;
  gauge<L extends string = never>(options: GaugeOptions<L>): Gauge<L>;
  /** Buckets default to {@link SECONDS_BUCKETS}. */
  histogram<L extends string = never>(
    options: MetricOptions<L> & { buckets?: readonly number[] },
  ): Histogram<L>;
}

/** A registry with the process's own metrics (memory, CPU, garbage collection, event loop delay). */
export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });
  const common = <L extends string>({ name, help, labels = [] }: MetricOptions<L>) => ({
    name: `cronium_${name}`,
    help,
    labelNames: [...labels],
    registers: [registry],
  });
  return {
    registry,
    text: () => registry.metrics(),
    contentType: registry.contentType,
    counter: (options) => new Counter(common(options)),
    gauge: <L extends string = never>(options: GaugeOptions<L>) => {
      const { collect } = options;
      if (collect === undefined) return new Gauge<L>(common(options));
      return new Gauge<L>({
        ...common(options),
        collect() {
          return collect(this);
        },
      });
    },
    histogram: ({ buckets = SECONDS_BUCKETS, ...options }) =>
      new Histogram({ ...common(options), buckets: [...buckets] }),
  };
}
