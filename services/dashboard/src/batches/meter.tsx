import type { BatchView } from '@cronium/contracts';
import { JOB_STATES } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { count } from '../format/numbers.ts';
import { STATES } from '../parts/state.tsx';

/** Ended first, so that the bar fills from the left; what waits comes last. */
const ORDER = [...JOB_STATES.slice(5), ...JOB_STATES.slice(0, 5).reverse()];

/** A batch's jobs by state, as one bar. */
export function BatchMeter({ batch }: { batch: BatchView }): JSX.Element {
  const there = ORDER.filter((state) => batch.counts[state] > 0);
  const text = there.map((state) => `${count(batch.counts[state])} ${STATES[state].label}`).join(', ');
  return (
    <div class="meter" role="img" aria-label={text} title={text}>
      {there.map((state) => (
        <span
          key={state}
          style={{
            width: `${(batch.counts[state] / Math.max(1, batch.total)) * 100}%`,
            background: state === 'queued' ? 'transparent' : `var(--fill-${STATES[state].colour})`,
          }}
        />
      ))}
    </div>
  );
}
