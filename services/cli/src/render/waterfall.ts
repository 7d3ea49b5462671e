import type { SpanView, TraceView } from '@cronium/contracts';
import { duration } from './duration.ts';
import { columnsOf, cut, type Paint, padTo } from './paint.ts';
import { plain } from './text.ts';

/** How to draw a waterfall. */
export interface WaterfallOptions {
  readonly width: number;
  readonly paint: Paint;
  /** Where spans that go on end for now. */
  readonly nowMs: number;
}

interface Row {
  readonly span: SpanView;
  readonly label: string;
}

const MAX_LABEL = 44;
const DURATION_COLUMNS = 11;
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** Lines that show a trace's spans as a tree beside bars on one time axis. */
export function waterfall(trace: TraceView, options: WaterfallOptions): string[] {
  const rows = treeRows(trace.spans);
  if (rows.length === 0) return ['The trace has no spans yet.'];
  const begin = Math.min(...rows.map(({ span }) => span.startMs));
  const end = Math.max(...rows.map(({ span }) => span.endMs ?? Math.max(options.nowMs, span.startMs)));
  const labels = Math.min(MAX_LABEL, Math.max(...rows.map(({ label }) => columnsOf(label))));
  const bars = Math.max(10, options.width - labels - DURATION_COLUMNS - 3);
  const axis = { begin, perColumn: Math.max(end - begin, 0.001) / bars, columns: bars, end };
  const head = `trace ${trace.traceId}  ${rows.length} spans  ${duration(end - begin)}${trace.truncated ? '  (truncated)' : ''}`;
  return [options.paint('bold', head), ...rows.map((row) => rowLine(row, labels, axis, options))];
}

interface Axis {
  readonly begin: number;
  readonly end: number;
  readonly perColumn: number;
  readonly columns: number;
}

function rowLine({ span, label }: Row, labels: number, axis: Axis, { paint }: WaterfallOptions): string {
  const endMs = span.endMs ?? axis.end;
  const text = `${duration(endMs - span.startMs)}${span.endMs === null ? '…' : ''}`;
  const bar = padTo(barOf(span.startMs, endMs, axis), axis.columns);
  const name = padTo(cut(label, labels), labels);
  const style = styleOf(span);
  const failed = span.status === 'error';
  return `${failed ? paint('red', name) : name} ${paint(style, bar)} ${padTo(text, DURATION_COLUMNS, 'left')}`;
}

function styleOf(span: SpanView): Parameters<Paint>[0] {
  if (span.status === 'error') return 'red';
  if (span.endMs === null) return 'yellow';
  return (
    ({ producer: 'blue', worker: 'cyan', job: 'green', results: 'magenta' } as const)[span.service] ?? 'green'
  );
}

/** A bar that begins on a whole column and ends on an eighth of one; never shorter than an eighth. */
function barOf(startMs: number, endMs: number, { begin, perColumn, columns }: Axis): string {
  const from = Math.min(columns - 1, Math.floor((startMs - begin) / perColumn));
  const eighths = Math.max(
    1,
    Math.min(columns * 8, Math.round(((endMs - begin) / perColumn) * 8)) - from * 8,
  );
  return `${' '.repeat(from)}${'█'.repeat(Math.floor(eighths / 8))}${EIGHTHS[eighths % 8] ?? ''}`;
}

/** The spans depth first, siblings by start, each with its place in the tree drawn before its name. */
function treeRows(spans: readonly SpanView[]): Row[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const children = Map.groupBy(spans, ({ parentSpanId }) =>
    parentSpanId !== null && known.has(parentSpanId) ? parentSpanId : '',
  );
  const rows: Row[] = [];
  const seen = new Set<string>();
  const visit = (parent: string, lead: string, depth: number) => {
    const list = [...(children.get(parent) ?? [])].sort((a, b) => a.startMs - b.startMs);
    for (const [index, span] of list.entries()) {
      // A span that names itself as its ancestor must not end in a circle.
      if (seen.has(span.spanId)) continue;
      seen.add(span.spanId);
      const last = index === list.length - 1;
      const branch = depth === 0 ? '' : last ? '└ ' : '├ ';
      rows.push({ span, label: `${lead}${branch}${plain(span.name)}` });
      visit(span.spanId, depth === 0 ? '' : `${lead}${last ? '  ' : '│ '}`, depth + 1);
    }
  };
  visit('', '', 0);
  return rows;
}
