import type { AttemptView, JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { bytes, count } from '../format/numbers.ts';
import { atMs } from '../format/time.ts';
import { useExtent } from '../logs/use-extent.ts';
import { Empty } from '../parts/notices.tsx';
import { StateBadge } from '../parts/state.tsx';
import { Elapsed, Time } from '../parts/time.tsx';

/** Every attempt with its end and a way to its log. */
export function AttemptsTab({ job }: { job: JobView }): JSX.Element {
  if (job.attemptList.length === 0) {
    return (
      <Empty title="No attempt yet">
        <p>A worker makes one as soon as it takes the job.</p>
      </Empty>
    );
  }
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Attempt</th>
            <th scope="col">State</th>
            <th scope="col">Node</th>
            <th scope="col">What happened</th>
            <th scope="col" class="right">
              Log
            </th>
            <th scope="col" class="right">
              Took
            </th>
            <th scope="col" class="right">
              Began
            </th>
          </tr>
        </thead>
        <tbody>
          {job.attemptList.toReversed().map((attempt) => (
            <Row key={attempt.id} job={job} attempt={attempt} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ job, attempt }: { job: JobView; attempt: AttemptView }): JSX.Element {
  const log = useExtent(job, attempt.attempt);
  return (
    <tr>
      <td class="number">{attempt.attempt}</td>
      <td>
        <StateBadge state={attempt.state} />
      </td>
      <td class="muted">{attempt.node}</td>
      <td>{attempt.message ?? <span class="muted">–</span>}</td>
      <td class="right nowrap">
        <a href={`/jobs/${job.id}?attempt=${attempt.attempt}`}>
          {count(log.lines)} lines, {bytes(log.bytes)}
        </a>
      </td>
      <td class="right">
        <Elapsed from={atMs(attempt.startedAt)} to={atMs(attempt.endedAt)} />
      </td>
      <td class="right">
        <Time ms={atMs(attempt.startedAt)} />
      </td>
    </tr>
  );
}
