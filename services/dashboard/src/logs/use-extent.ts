import type { JobView, LogExtent } from '@cronium/contracts';
import { useEffect, useState } from 'preact/hooks';
import { followLog } from '../data/live.ts';

export type Extent = Pick<LogExtent, 'lines' | 'bytes' | 'omittedBytes' | 'complete'>;

const NOTHING: Extent = { lines: 0, bytes: 0, omittedBytes: 0, complete: false };

/** How far an attempt's log is stored: by the news, or by the job as it was read. A log only grows. */
export function useExtent(job: JobView, attempt: number): Extent {
  const [told, setTold] = useState<LogExtent>();
  useEffect(() => {
    setTold(undefined);
    return followLog({ job: job.id, attempt }, setTold);
  }, [job.id, attempt]);
  const read = job.attemptList.find((one) => one.attempt === attempt)?.log ?? NOTHING;
  if (told === undefined || told.attempt !== attempt) return read;
  return told.lines > read.lines || (told.complete && !read.complete) ? told : read;
}
