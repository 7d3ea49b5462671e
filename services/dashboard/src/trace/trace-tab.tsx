import type { JobView } from '@cronium/contracts';
import type { JSX } from 'preact';

export function TraceTab({ job }: { job: JobView }): JSX.Element {
  return <a href={`/traces/${job.traceId}`}>Trace</a>;
}
