import type { JSX } from 'preact';
import { duration } from '../format/time.ts';
import { Icon } from '../parts/icons.tsx';
import { serviceColour, type TraceRange, type TraceRow } from './tree.ts';

const INDENT = 14;

interface SpanRowProps {
  readonly row: TraceRow;
  readonly range: TraceRange;
  readonly open: boolean;
  readonly selected: boolean;
  toggle(): void;
  select(): void;
  zoomTo(): void;
}

/** A span: its name at its depth, its bar in the lane. A click chooses it, a double click zooms to it. */
export function SpanRow({ row, range, open, selected, toggle, select, zoomTo }: SpanRowProps): JSX.Element {
  const { span, depth, below } = row;
  const end = span.endMs ?? Math.max(span.startMs, range.to);
  const scale = 1 / (range.to - range.from);
  const [from, to] = [(span.startMs - range.from) * scale, (end - range.from) * scale];
  const [left, right] = [Math.max(-0.01, from), Math.min(1.01, to)];
  const took = span.endMs === null ? `${duration(end - span.startMs)}…` : duration(end - span.startMs);
  return (
    <div
      class="span-row"
      id={`span-${span.spanId}`}
      role="treeitem"
      tabIndex={-1}
      aria-selected={selected}
      aria-level={depth + 1}
      {...(below > 0 && { 'aria-expanded': open })}
      data-error={span.status === 'error'}
      onClick={select}
      onDblClick={zoomTo}
      onKeyDown={(event) => {
        if (event.key === 'Enter') select();
      }}
    >
      <div class="span-name" style={{ paddingLeft: `${8 + depth * INDENT}px` }}>
        {below > 0 ? (
          <span
            class="span-toggle"
            aria-hidden="true"
            onClick={(event) => {
              event.stopPropagation();
              toggle();
            }}
          >
            <Icon name={open ? 'down' : 'right'} />
          </span>
        ) : (
          <span class="span-leaf" />
        )}
        <i style={{ background: serviceColour(span.service) }} />
        <span class="span-title">{span.name}</span>
        {!open && <span class="chip">{below}</span>}
      </div>
      <div class="span-lane">
        {right >= 0 && left <= 1 && (
          <>
            <span
              class="span-bar"
              data-open={span.endMs === null}
              style={{
                left: `${left * 100}%`,
                width: `${(right - left) * 100}%`,
                background: span.status === 'error' ? 'var(--fill-failed)' : serviceColour(span.service),
              }}
            />
            {span.events.map((event) => (
              <span
                key={`${event.name} ${event.atMs}`}
                class="span-event"
                style={{ left: `${(event.atMs - range.from) * scale * 100}%` }}
              />
            ))}
            <span class="span-took number" style={{ left: `${right * 100}%` }}>
              {took}
            </span>
          </>
        )}
      </div>
    </div>
  );
}
