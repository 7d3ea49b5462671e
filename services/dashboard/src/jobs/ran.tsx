import type { JobSummary } from '@cronium/contracts';
import type { JSX } from 'preact';
import { atMs, durationOrDash } from '../format/time.ts';
import { Elapsed } from '../parts/time.tsx';

/**
 * How long a job's main program ran, or has run so far. A job ends later than its program: when its log is stored. That end
 * counts only where the program's own was not seen.
 */
export function Ran({ job }: { job: JobSummary }): JSX.Element {
  if (job.runMs === null) return <Elapsed from={atMs(job.startedAt)} to={atMs(job.endedAt)} />;
  return <span class="number nowrap">{durationOrDash(job.runMs)}</span>;
}
