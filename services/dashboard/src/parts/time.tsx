import type { JSX } from 'preact';
import { ago, duration, fullMoment, moment } from '../format/time.ts';
import { now } from './clock.ts';

/** A moment, with its age or its clock time; both are in the tooltip. */
export function Time({ ms, age = false }: { ms: number | null; age?: boolean }): JSX.Element {
  if (ms === null) return <span class="muted">–</span>;
  return (
    <time class="number nowrap" dateTime={new Date(ms).toISOString()} title={fullMoment(ms)}>
      {age ? ago(ms, now.value) : moment(ms, now.value)}
    </time>
  );
}

/** How long something took, or has taken so far. */
export function Elapsed({ from, to }: { from: number | null; to: number | null }): JSX.Element {
  if (from === null) return <span class="muted">–</span>;
  return <span class="number nowrap">{duration(Math.max(0, (to ?? now.value) - from))}</span>;
}
