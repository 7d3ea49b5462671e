import type { SpanView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { duration, momentMs } from '../format/time.ts';
import { Icon } from '../parts/icons.tsx';
import type { TraceRange } from './tree.ts';

/** All that is known of a span, and the way to the log of its moment. */
export function SpanDetails({
  span,
  whole,
  close,
  zoomTo,
}: {
  span: SpanView;
  whole: TraceRange;
  close: () => void;
  zoomTo: () => void;
}): JSX.Element {
  const log = logOf(span);
  return (
    <aside class="span-details" aria-label={`Span ${span.name}`}>
      <div class="row">
        <h2 class="grow">{span.name}</h2>
        <button type="button" class="button quiet small" aria-label="Close the span" onClick={close}>
          <Icon name="close" />
        </button>
      </div>
      <div class="row">
        <button type="button" class="button small" onClick={zoomTo}>
          <Icon name="search" />
          Zoom to it
        </button>
        {log !== undefined && (
          <a class="button small" href={log}>
            <Icon name="jobs" />
            Log of this moment
          </a>
        )}
      </div>
      <dl class="attributes">
        <Entry name="Service" value={span.service} />
        <Entry name="Took" value={span.endMs === null ? 'goes on' : duration(span.endMs - span.startMs)} />
        <Entry
          name="Began"
          value={`${momentMs(span.startMs)}, after ${duration(span.startMs - whole.from)}`}
        />
        <Entry name="Status" value={span.status} />
        <Entry name="Kind" value={span.kind} />
        <Entry name="Span id" value={span.spanId} />
      </dl>
      <h2>Attributes</h2>
      <dl class="attributes">
        {Object.entries(span.attributes).map(([name, value]) => (
          <Entry key={name} name={name} value={typeof value === 'string' ? value : JSON.stringify(value)} />
        ))}
      </dl>
      {span.events.length > 0 && <Events span={span} />}
    </aside>
  );
}

function Entry({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Events({ span }: { span: SpanView }): JSX.Element {
  return (
    <>
      <h2>Events</h2>
      <dl class="attributes">
        {span.events.map((event) => (
          <div key={`${event.name} ${event.atMs}`}>
            <dt>
              {event.name} · after {duration(Math.max(0, event.atMs - span.startMs))}
            </dt>
            {Object.entries(event.attributes).map(([name, value]) => (
              <dd key={name}>
                <span class="muted">{name}</span> {typeof value === 'string' ? value : JSON.stringify(value)}
              </dd>
            ))}
          </div>
        ))}
      </dl>
    </>
  );
}

/** The log of the attempt that a span belongs to, at the moment when the span began. */
function logOf({ attributes, startMs }: SpanView): string | undefined {
  const { 'cronium.job': job, 'cronium.attempt': attempt } = attributes;
  if (typeof job !== 'string') return undefined;
  const number = typeof attempt === 'string' ? attempt.split('.')[1] : undefined;
  const query = new URLSearchParams({
    ...(number !== undefined && { attempt: number }),
    at: String(startMs),
  });
  return `/jobs/${job}?${query}`;
}
