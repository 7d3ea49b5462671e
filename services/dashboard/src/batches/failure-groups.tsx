import type { BatchFailures, BatchView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useBatchFailures } from '../data/reads.ts';
import { nameOf } from '../format/names.ts';
import { count } from '../format/numbers.ts';
import { causeLabel } from '../overview/causes.tsx';
import { StateBadge } from '../parts/state.tsx';

/** Jobs of a batch that did not succeed, by what ended them: one look instead of a thousand logs. */
export function FailureGroups({ batch }: { batch: BatchView }): JSX.Element | null {
  const { data } = useBatchFailures(batch.id);
  if (data === undefined || data.groups.length === 0) return null;
  return (
    <section class="card" aria-labelledby="failures">
      <div class="card-head">
        <h2 id="failures">Failures by cause</h2>
      </div>
      <ul>
        {data.groups.map((group) => (
          <Group key={`${group.state} ${group.cause} ${group.exitCode}`} group={group} batch={batch} />
        ))}
      </ul>
    </section>
  );
}

function Group({ group, batch }: { group: BatchFailures['groups'][number]; batch: BatchView }): JSX.Element {
  const { state, cause, exitCode, jobs, message, examples } = group;
  return (
    <li class="failure-group">
      <div class="row">
        <StateBadge state={state} />
        <strong>
          {cause === 'exit' && exitCode !== null ? `Exit code ${exitCode}` : causeLabel(state, cause)}
        </strong>
        <span class="grow" />
        <a href={`/jobs?batch=${batch.id}&state=${state}`}>
          {count(jobs)} {jobs === 1 ? 'job' : 'jobs'}
        </a>
      </div>
      {message !== null && <p class="muted">{message}</p>}
      <div class="chips">
        {examples.map(({ id, name }) => (
          <a key={id} class="chip" href={`/jobs/${id}`}>
            {nameOf({ id, name })}
          </a>
        ))}
      </div>
    </li>
  );
}
