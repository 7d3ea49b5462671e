import type { JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { ErrorBoundary, lazy } from 'preact-iso';
import { useJobTrace } from '../data/reads.ts';
import { Loading, Problem } from '../parts/notices.tsx';

const Waterfall = lazy(() => import('./waterfall.tsx').then((module) => module.Waterfall));

/** The trace of one job. */
export function TraceTab({ job }: { job: JobView }): JSX.Element {
  const moments = job.attemptList.reduce((sum, { timeline }) => sum + timeline.length, 0);
  const { data, error, refetch } = useJobTrace(job.id, `${job.state} ${job.attempts} ${moments}`);
  if (error !== null && data === undefined)
    return <Problem what="The trace cannot be read." error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Loading rows={8} />;
  return (
    <ErrorBoundary>
      <Waterfall trace={data} />
    </ErrorBoundary>
  );
}
