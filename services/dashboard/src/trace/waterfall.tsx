import type { SpanView, TraceView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import { useAddressQuery } from '../data/address.ts';
import { count } from '../format/numbers.ts';
import { duration } from '../format/time.ts';
import { useRowsWindow } from '../logs/use-rows-window.ts';
import { now } from '../parts/clock.ts';
import { Icon } from '../parts/icons.tsx';
import { Minimap } from './minimap.tsx';
import { SpanDetails } from './span-details.tsx';
import { SpanRow } from './span-row.tsx';
import { panned, rangeOf, serviceColour, type TraceRange, ticks, traceRows, zoomed } from './tree.ts';
import '../styles/trace.css';

const ROW_HEIGHT = 28;
const MOST_TICKS = 6;

/** A trace as a waterfall: who did what when, below whom. */
export function Waterfall({ trace }: { trace: TraceView }): JSX.Element {
  const { query, set } = useAddressQuery();
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [zoom, setZoom] = useState<TraceRange>();
  const goesOn = trace.spans.some(({ endMs }) => endMs === null);
  const time = goesOn ? now.value : 0;
  const whole = useMemo(() => rangeOf(trace.spans, time), [trace.spans, time]);
  const rows = useMemo(() => traceRows(trace.spans, closed), [trace.spans, closed]);
  const range = zoom ?? whole;
  const selected = trace.spans.find(({ spanId }) => spanId === query.get('span'));
  const select = (span: SpanView | undefined) => set({ span: span?.spanId });
  const toggle = (id: string) => {
    const next = new Set(closed);
    if (!next.delete(id)) next.add(id);
    setClosed(next);
  };
  const change = (next: TraceRange) =>
    setZoom(next.to - next.from >= whole.to - whole.from ? undefined : next);
  return (
    <div class="trace" data-split={selected !== undefined}>
      <div class="trace-main">
        <TraceHead trace={trace} whole={whole} zoom={zoom} reset={() => setZoom(undefined)} />
        <Minimap spans={trace.spans} whole={whole} range={range} onChange={change} />
        <Rows {...{ rows, closed, toggle, range, whole, selected, select, change }} />
      </div>
      {selected !== undefined && (
        <SpanDetails
          key={selected.spanId}
          span={selected}
          whole={whole}
          close={() => select(undefined)}
          zoomTo={() => change({ from: selected.startMs, to: selected.endMs ?? whole.to })}
        />
      )}
    </div>
  );
}

function TraceHead({
  trace,
  whole,
  zoom,
  reset,
}: {
  trace: TraceView;
  whole: TraceRange;
  zoom: TraceRange | undefined;
  reset: () => void;
}): JSX.Element {
  const services = [...new Set(trace.spans.map(({ service }) => service))];
  const errors = trace.spans.filter(({ status }) => status === 'error').length;
  return (
    <div class="trace-head">
      <span class="number">
        <b>{duration(whole.to - whole.from)}</b> · {count(trace.spans.length)} spans
        {errors > 0 && <span style={{ color: 'var(--failed)' }}> · {count(errors)} with an error</span>}
        {trace.truncated && <span style={{ color: 'var(--timed_out)' }}> · more exist than are shown</span>}
      </span>
      <span class="legend">
        {services.map((service) => (
          <span key={service}>
            <i style={{ background: serviceColour(service) }} />
            {service}
          </span>
        ))}
      </span>
      <span class="grow" />
      <button type="button" class="button small" disabled={zoom === undefined} onClick={reset}>
        <Icon name="zoomOut" />
        Whole trace
      </button>
    </div>
  );
}

interface RowsProps {
  readonly rows: ReturnType<typeof traceRows>;
  readonly closed: ReadonlySet<string>;
  toggle(id: string): void;
  readonly range: TraceRange;
  readonly whole: TraceRange;
  readonly selected: SpanView | undefined;
  select(span: SpanView | undefined): void;
  change(range: TraceRange): void;
}

function Rows({ rows, closed, toggle, range, whole, selected, select, change }: RowsProps): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const frame = useRowsWindow(scroller, { rows: rows.length, rowHeight: ROW_HEIGHT, stick: false });
  const shown = rows.slice(frame.first, frame.last + 1);
  const marks = ticks({ from: range.from - whole.from, to: range.to - whole.from }, MOST_TICKS);
  const leftOf = (mark: number) => ((mark + whole.from - range.from) / (range.to - range.from)) * 100;
  const onKeyDown = (event: KeyboardEvent) => {
    const at = rows.findIndex(({ span }) => span.spanId === selected?.spanId);
    const next = nextRow(event.key, at, rows.length);
    if (next !== undefined) {
      event.preventDefault();
      select(rows[next]?.span);
      if (next < frame.first + 1 || next > frame.last - 2) frame.scrollToRow(next);
    } else if (isOpening(event, selected, closed)) toggle(selected?.spanId ?? '');
    else if (event.key === '+' || event.key === '=') change(zoomed(range, whole, { by: 0.5, around: 0.5 }));
    else if (event.key === '-') change(zoomed(range, whole, { by: 2, around: 0.5 }));
    else if (event.key === 'ArrowLeft' && event.shiftKey) change(panned(range, whole, -0.2));
    else if (event.key === 'ArrowRight' && event.shiftKey) change(panned(range, whole, 0.2));
    else if (event.key === 'Escape') select(undefined);
  };
  const onWheel = (event: WheelEvent) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const area = scroller.current?.querySelector('.span-lane')?.getBoundingClientRect();
    if (area === undefined) return;
    const around = Math.min(1, Math.max(0, (event.clientX - area.left) / area.width));
    change(zoomed(range, whole, { by: event.deltaY > 0 ? 1.25 : 0.8, around }));
  };
  return (
    <>
      <div class="trace-axis" aria-hidden="true">
        <span />
        <div>
          {marks.map((mark) => (
            <span key={mark} style={{ left: `${leftOf(mark)}%` }}>
              {mark <= 0 ? '0' : duration(mark)}
            </span>
          ))}
        </div>
      </div>
      <div
        class="trace-rows"
        ref={scroller}
        role="tree"
        tabIndex={0}
        aria-label={`Spans, ${rows.length}. Arrow keys choose, open and close; plus and minus zoom.`}
        {...(selected !== undefined && { 'aria-activedescendant': `span-${selected.spanId}` })}
        onScroll={frame.onScroll}
        onKeyDown={onKeyDown}
        onWheel={onWheel}
      >
        <div style={{ height: `${frame.contentHeight}px` }} role="presentation">
          <div class="trace-layer" style={{ height: `${frame.view}px` }} role="presentation">
            <div class="trace-lines" aria-hidden="true">
              {marks.map((mark) => (
                <i key={mark} style={{ left: `${leftOf(mark)}%` }} />
              ))}
            </div>
            <div style={{ transform: `translateY(${-frame.shift}px)` }} role="presentation">
              {shown.map((row) => (
                <SpanRow
                  key={row.span.spanId}
                  row={row}
                  range={range}
                  open={!closed.has(row.span.spanId)}
                  selected={row.span === selected}
                  toggle={() => toggle(row.span.spanId)}
                  select={() => select(row.span)}
                  zoomTo={() => change({ from: row.span.startMs, to: row.span.endMs ?? whole.to })}
                />
              ))}
            </div>
          </div>
        </div>
      </div>
    </>
  );
}

/** Left closes an open span, right opens a closed one. */
function isOpening(
  event: KeyboardEvent,
  selected: SpanView | undefined,
  closed: ReadonlySet<string>,
): boolean {
  if (selected === undefined || event.shiftKey) return false;
  const isClosed = closed.has(selected.spanId);
  return (event.key === 'ArrowLeft' && !isClosed) || (event.key === 'ArrowRight' && isClosed);
}

function nextRow(key: string, at: number, rows: number): number | undefined {
  switch (key) {
    case 'ArrowDown':
      return Math.min(rows - 1, at + 1);
    case 'ArrowUp':
      return Math.max(0, at - 1);
    case 'Home':
      return 0;
    case 'End':
      return rows - 1;
    default:
      return undefined;
  }
}
