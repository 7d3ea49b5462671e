import type { JobSummary } from '@cronium/contracts';
import type { JSX } from 'preact';
import { nameOf } from '../format/names.ts';
import { atMs } from '../format/time.ts';
import { StateBadge } from '../parts/state.tsx';
import { Elapsed, Time } from '../parts/time.tsx';
import { Ran } from './ran.tsx';

const LABELS_SHOWN = 3;

/** Jobs as rows; each leads to its page. */
export function JobTable({ jobs }: { jobs: readonly JobSummary[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Job</th>
            <th scope="col">State</th>
            <th scope="col">Labels</th>
            <th scope="col">Node</th>
            <th scope="col" class="right">
              Attempt
            </th>
            <th scope="col" class="right">
              Start
            </th>
            <th scope="col" class="right">
              Ran
            </th>
            <th scope="col" class="right">
              Accepted
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <Row key={job.id} job={job} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ job }: { job: JobSummary }): JSX.Element {
  const accepted = atMs(job.acceptedAt);
  const labels = Object.entries(job.labels);
  return (
    <tr>
      <td class="name">
        <a href={`/jobs/${job.id}`}>{nameOf(job)}</a>
        {job.name !== '' && <small class="mono">{job.id}</small>}
      </td>
      <td>
        <StateBadge state={job.state} />
        {job.cause !== null && job.state !== 'cancelled' && <div class="muted cause">{causeOf(job)}</div>}
      </td>
      <td>
        <span class="chips">
          {labels.slice(0, LABELS_SHOWN).map(([name, value]) => (
            <span class="chip" key={name}>
              <span class="muted">{name}</span>
              {value}
            </span>
          ))}
          {labels.length > LABELS_SHOWN && <span class="chip">+{labels.length - LABELS_SHOWN}</span>}
        </span>
      </td>
      <td class="muted nowrap">{job.node ?? '–'}</td>
      <td class="right number">{job.attempts === 0 ? '–' : job.attempts}</td>
      <td class="right">
        <Elapsed from={accepted} to={atMs(job.startedAt) ?? atMs(job.endedAt)} />
      </td>
      <td class="right">
        <Ran job={job} />
      </td>
      <td class="right">
        <Time ms={accepted} age />
      </td>
    </tr>
  );
}

function causeOf({ cause, exitCode }: JobSummary): string {
  return cause === 'exit' && exitCode !== null ? `exit code ${exitCode}` : (cause ?? '').replaceAll('_', ' ');
}
