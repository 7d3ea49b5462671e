import type { JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useWhy } from '../data/reads.ts';

/** Why a job still waits. */
export function Why({ job }: { job: JobView }): JSX.Element | null {
  const { data } = useWhy(job.id, `${job.state}.${job.attempts}`);
  if (data === undefined) return null;
  return (
    <div class="card card-body row" role="status">
      <strong>Why it waits</strong>
      <span>{data.explanation}</span>
    </div>
  );
}
