import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { CATALOG, type LabelsOf, type MetricDefinition, type MetricName, type NameOf } from './catalog.ts';

/** Upper bounds in seconds that suit anything from a queue call to a long job. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200,
];

/** Values of labels that a gauge is asked for at a scrape. */
export type Reading<N extends MetricName> = readonly {
  readonly labels: Readonly<Record<LabelsOf<N>, string>>;
  readonly value: number;
}[];

/** The metrics of one service, in a registry of its own. All names are those of the {@link CATALOG}. */
export interface Metrics {
  readonly registry: Registry;
  /** The body of `GET /metrics`, and the content type that goes with it. */
  text(): Promise<string>;
  readonly contentType: string;
  counter<N extends NameOf<'counter'>>(name: N): Counter<LabelsOf<N>>;
  gauge<N extends NameOf<'gauge'>>(name: N): Gauge<LabelsOf<N>>;
  /**
   * A gauge whose values are read at each scrape, because they are cheaper to read than to follow. A reading that fails
   * is counted, and missing in that scrape.
   */
  read<N extends NameOf<'gauge'>>(name: N, read: () => Promise<Reading<N>> | Reading<N>): void;
  /** The same for a gauge without labels. */
  readOne(name: NameOf<'gauge'>, read: () => Promise<number> | number): void;
  histogram<N extends NameOf<'histogram'>>(name: N): Histogram<LabelsOf<N>>;
}

/** The event loop's delay is taken this often: each look wakes the process. A loop that is free shows this as its delay. */
const LOOP_LOOK_MS = 50;

/**
 * A registry with the process's own metrics (memory, CPU, garbage collection, event loop delay). Those are watched until
 * the process ends: `ofProcess: false` is for one that makes many registries.
 */
export function createMetrics(
  service: string,
  labels: Readonly<Record<string, string>> = {},
  { ofProcess = true } = {},
): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service, ...labels });
  if (ofProcess) collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_LOOK_MS });
  const failures = new Counter(optionsOf('scrape_failures_total', registry));
  const read = (name: MetricName, fill: (gauge: Gauge) => Promise<void> | void): void => {
    new Gauge({
      ...optionsOf(name, registry),
      async collect() {
        this.reset();
        try {
          await withinTime(fill(this));
        } catch {
          // What is away is named by /ready; a scrape must not fail for it.
          this.reset();
          failures.inc({ metric: `cronium_${name}` });
        }
      },
    });
  };
  return {
    registry,
    text: () => registry.metrics(),
    contentType: registry.contentType,
    counter: (name) => new Counter(optionsOf(name, registry)),
    gauge: (name) => new Gauge(optionsOf(name, registry)),
    read: (name, ask) =>
      read(name, async (gauge) => {
        for (const { labels: own, value } of await ask()) gauge.set(own, value);
      }),
    readOne: (name, ask) => read(name, async (gauge) => gauge.set(await ask())),
    histogram: (name) => new Histogram({ ...optionsOf(name, registry), buckets: [...SECONDS_BUCKETS] }),
  };
}

function optionsOf<N extends MetricName>(name: N, registry: Registry) {
  const { help, labels = {} }: MetricDefinition = CATALOG[name];
  return {
    name: `cronium_${name}`,
    help,
    labelNames: Object.keys(labels) as LabelsOf<N>[],
    registers: [registry],
  };
}

const READ_MS = 5000;

/** A scrape waits for no store that hangs. */
async function withinTime(reading: Promise<void> | void): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not read within ${READ_MS} ms`)), READ_MS);
  try {
    await Promise.race([reading, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Keeps the values of a label few: those that come first are kept, later ones become `other`. */
export function boundedLabel(max: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.size < max) known.add(value);
    return known.has(value) ? value : 'other';
  };
}

/** How many pools metrics tell apart. */
export const MAX_POOLS = 100;
