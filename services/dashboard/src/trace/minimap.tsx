import type { SpanView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { serviceColour, type TraceRange } from './tree.ts';

const LANES = 24;
/** Shorter drags are clicks. */
const LEAST = 0.004;

/** The whole trace, small; dragging over it zooms to a part. */
export function Minimap({
  spans,
  whole,
  range,
  onChange,
}: {
  spans: readonly SpanView[];
  whole: TraceRange;
  range: TraceRange;
  onChange: (range: TraceRange) => void;
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [drag, setDrag] = useState<{ from: number; to: number }>();
  const length = whole.to - whole.from;
  const shareOf = (event: PointerEvent) => {
    const area = box.current?.getBoundingClientRect();
    return area === undefined ? 0 : Math.min(1, Math.max(0, (event.clientX - area.left) / area.width));
  };
  const finish = () => {
    if (drag === undefined) return;
    setDrag(undefined);
    const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    if (to - from > LEAST) onChange({ from: whole.from + from * length, to: whole.from + to * length });
  };
  const shown = drag ?? { from: (range.from - whole.from) / length, to: (range.to - whole.from) / length };
  const [left, right] = [Math.min(shown.from, shown.to), Math.max(shown.from, shown.to)];
  return (
    <div
      class="minimap"
      ref={box}
      aria-hidden="true"
      title="Drag to zoom"
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setDrag({ from: shareOf(event), to: shareOf(event) });
      }}
      onPointerMove={(event) => drag !== undefined && setDrag({ ...drag, to: shareOf(event) })}
      onPointerUp={finish}
      onPointerCancel={() => setDrag(undefined)}
    >
      {spans.slice(0, 400).map((span, index) => (
        <i
          key={span.spanId}
          style={{
            left: `${((span.startMs - whole.from) / length) * 100}%`,
            width: `${(((span.endMs ?? whole.to) - span.startMs) / length) * 100}%`,
            top: `${8 + (index % LANES) * (84 / LANES)}%`,
            background: span.status === 'error' ? 'var(--fill-failed)' : serviceColour(span.service),
          }}
        />
      ))}
      <span class="minimap-out" style={{ left: 0, width: `${left * 100}%` }} />
      <span class="minimap-out" style={{ left: `${right * 100}%`, right: 0 }} />
    </div>
  );
}
