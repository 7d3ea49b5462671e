import type { DeathRecord, JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useDeath } from '../data/reads.ts';
import { bytes } from '../format/numbers.ts';
import { Icon } from '../parts/icons.tsx';
import { JsonText } from '../parts/json-text.tsx';
import { Time } from '../parts/time.tsx';

/** What ended a job: a sentence for a person, then the evidence. */
export function Death({ job }: { job: JobView }): JSX.Element | null {
  const { data: death } = useDeath(job.id, job.attempts, job.attempts > 0);
  if (death === undefined) return null;
  return (
    <section class="card death" aria-label="Why it ended">
      <div class="card-head">
        <span class="state" style={{ color: 'var(--failed)' }}>
          <Icon name="failed" />
          {causeText(death)}
        </span>
        <span class="muted">
          {death.certainty} · in {phaseText(death.phase)} · attempt {death.attempt} ·{' '}
          <Time ms={Date.parse(death.at)} />
        </span>
      </div>
      <div class="card-body stack">
        <p class="message">{death.message}</p>
        <Evidence death={death} />
      </div>
    </section>
  );
}

function Evidence({ death }: { death: DeathRecord }): JSX.Element {
  const { evidence } = death;
  const peak = evidence.memoryPeakBytes;
  const limit = evidence.memoryLimitBytes;
  return (
    <>
      {peak !== undefined && limit !== undefined && limit > 0 && (
        <p class="muted">
          Memory: up to {bytes(peak)} of {bytes(limit)} when it was last read
          {evidence.oomKills !== undefined &&
            evidence.oomKills > 0 &&
            `, ${evidence.oomKills} out-of-memory ${evidence.oomKills === 1 ? 'kill' : 'kills'}`}
          .
        </p>
      )}
      <details>
        <summary>Evidence</summary>
        <JsonText value={evidence} what="the evidence" />
      </details>
    </>
  );
}

function causeText({ cause, exitCode, signal }: DeathRecord): string {
  switch (cause) {
    case 'exit':
      return `Exit code ${exitCode ?? '?'}`;
    case 'signal':
      return `Died of ${signal ?? 'a signal'}`;
    case 'oom':
      return 'Out of memory';
    default:
      return cause.charAt(0).toUpperCase() + cause.slice(1).replaceAll('_', ' ');
  }
}

const PHASES = {
  setup: 'the setup',
  preTask: 'the pre-task',
  main: 'the main phase',
  preparing: 'preparation',
  draining: 'draining',
} as const;

function phaseText(phase: DeathRecord['phase']): string {
  return PHASES[phase];
}
