import type { JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { atMs, duration } from '../format/time.ts';
import { now } from '../parts/clock.ts';
import { type Phase, phasesOf } from './phases.ts';

/** Each attempt as a bar of its phases, on one scale. */
export function PhaseTimeline({ job }: { job: JobView }): JSX.Element | null {
  let waitsSince = atMs(job.acceptedAt);
  const rows = job.attemptList.map((attempt) => {
    const phases = phasesOf(attempt, waitsSince);
    waitsSince = atMs(attempt.endedAt);
    return { attempt, phases };
  });
  const all = rows.flatMap(({ phases }) => phases);
  if (all.length === 0) return null;
  const from = Math.min(...all.map((phase) => phase.from));
  const to = Math.max(...all.map((phase) => phase.to ?? now.value), from + 1);
  return (
    <section class="card card-body timeline" aria-label="Phases">
      {rows.map(({ attempt, phases }) => (
        <div key={attempt.id} class="timeline-row">
          <span class="muted">Attempt {attempt.attempt}</span>
          <div class="timeline-bar" role="img" aria-label={phases.map(phaseText).join(', ')}>
            {phases.map((phase) => (
              <span key={phase.name} title={phaseText(phase)} style={barStyle(phase, from, to)} />
            ))}
          </div>
          <span class="number right">{duration(lengthOf(phases))}</span>
        </div>
      ))}
      <Legend phases={rows.at(-1)?.phases ?? []} />
    </section>
  );
}

function barStyle({ from, to, colour }: Phase, start: number, end: number): Record<string, string> {
  const scale = 100 / (end - start);
  return {
    left: `${(from - start) * scale}%`,
    width: `${Math.max(0, (to ?? now.value) - from) * scale}%`,
    background: `var(${colour})`,
  };
}

function lengthOf(phases: readonly Phase[]): number {
  const ends = phases.map(({ to }) => to ?? now.value);
  return Math.max(0, Math.max(...ends) - Math.min(...phases.map(({ from }) => from)));
}

function phaseText({ name, from, to }: Phase): string {
  return `${name} ${duration(Math.max(0, (to ?? now.value) - from))}`;
}

/** The newest attempt's phases in numbers; those of one colour share an entry. */
function Legend({ phases }: { phases: readonly Phase[] }): JSX.Element {
  return (
    <div class="legend">
      {phases.map(({ name, from, to, colour }) => (
        <span key={name}>
          <i style={{ background: `var(${colour})` }} />
          {name} <b class="number">{duration(Math.max(0, (to ?? now.value) - from))}</b>
        </span>
      ))}
    </div>
  );
}
