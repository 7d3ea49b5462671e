import type { SpanView } from '@cronium/contracts';

/** A span at its place in the waterfall. */
export interface TraceRow {
  readonly span: SpanView;
  readonly depth: number;
  /** How many spans hang below it. */
  readonly below: number;
}

/** The time that a trace takes; a span that goes on lasts until now. */
export interface TraceRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Spans in the order of their tree: a parent before its children, siblings by their start. A span whose parent is not
 * there stands at the top, and so does one of a ring of parents.
 */
export function traceRows(spans: readonly SpanView[], closed: ReadonlySet<string>): TraceRow[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const children = new Map<string | null, SpanView[]>();
  for (const span of spans) {
    const { parentSpanId } = span;
    const parent =
      parentSpanId !== null && known.has(parentSpanId) && parentSpanId !== span.spanId ? parentSpanId : null;
    const own = children.get(parent);
    if (own === undefined) children.set(parent, [span]);
    else own.push(span);
  }
  for (const own of children.values()) own.sort((a, b) => a.startMs - b.startMs);
  const rows: TraceRow[] = [];
  const seen = new Set<string>();
  /** Returns how many spans it has placed. */
  const visit = (span: SpanView, depth: number, shown: boolean): number => {
    if (seen.has(span.spanId)) return 0;
    seen.add(span.spanId);
    const at = rows.length;
    if (shown) rows.push({ span, depth, below: 0 });
    let below = 0;
    for (const child of children.get(span.spanId) ?? []) {
      below += visit(child, depth + 1, shown && !closed.has(span.spanId));
    }
    if (shown) rows[at] = { span, depth, below };
    return below + 1;
  };
  for (const span of children.get(null) ?? []) visit(span, 0, true);
  for (const span of spans) visit(span, 0, true);
  return rows;
}

/** From the first start to the last end. */
export function rangeOf(spans: readonly SpanView[], now: number): TraceRange {
  const from = Math.min(...spans.map(({ startMs }) => startMs));
  const to = Math.max(...spans.map(({ startMs, endMs }) => endMs ?? Math.max(startMs, now)));
  return { from, to: Math.max(to, from + 0.001) };
}

/** Round moments between the ends of a range, counted from the trace's beginning. */
export function ticks({ from, to }: TraceRange, most: number): number[] {
  const step = roundStep((to - from) / most);
  const first = Math.ceil(from / step) * step;
  const count = Math.max(0, Math.floor((to - first) / step) + 1);
  return Array.from({ length: count }, (_, index) => first + index * step);
}

function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5].find((step) => step * power >= least) ?? 10) * power;
}

/** A range zoomed around a point (0 to 1 of it); never outside the whole, never below a microsecond. */
export function zoomed(
  range: TraceRange,
  whole: TraceRange,
  { by, around }: { by: number; around: number },
): TraceRange {
  const length = Math.min(whole.to - whole.from, Math.max(0.001, (range.to - range.from) * by));
  const centre = range.from + (range.to - range.from) * around;
  const from = Math.min(Math.max(whole.from, centre - length * around), whole.to - length);
  return { from, to: from + length };
}

/** A range moved by a share of its length, within the whole. */
export function panned(range: TraceRange, whole: TraceRange, share: number): TraceRange {
  const length = range.to - range.from;
  const from = Math.min(Math.max(whole.from, range.from + length * share), whole.to - length);
  return { from, to: from + length };
}

const COLOURS: Readonly<Record<string, number>> = {
  producer: 0,
  worker: 1,
  'runtime-api': 2,
  results: 3,
  job: 4,
};
const SERVICE_COLOURS = 8;

/** One colour for each service, the same on every page. */
export function serviceColour(service: string): string {
  const known = COLOURS[service.replace(/^cronium-/, '')];
  if (known !== undefined) return `var(--service-${known})`;
  let hash = 0;
  for (const character of service) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return `var(--service-${4 + (hash % (SERVICE_COLOURS - 4))})`;
}
