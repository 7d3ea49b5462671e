import type { JobView } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { messageOf } from '../data/session.ts';
import { bytes, count } from '../format/numbers.ts';
import type { Rows } from './line-runs.ts';
import type { Extent } from './use-extent.ts';

/** How long the log is, and whether more comes. */
export function LogFoot({
  job,
  extent,
  rows,
  problem,
}: {
  job: JobView;
  extent: Extent;
  rows: Rows;
  problem: unknown;
}): JSX.Element {
  return (
    <div class="log-foot">
      <span class="number">
        {rows.length < extent.lines && `${count(rows.length)} of `}
        {count(extent.lines)} lines, {bytes(extent.bytes)}
      </span>
      {extent.omittedBytes > 0 && (
        <span>{bytes(extent.omittedBytes)} left out in the middle: the log is longer than its cap</span>
      )}
      {problem !== undefined && (
        <span role="alert" style={{ color: 'var(--failed)' }}>
          Lines cannot be read: {messageOf(problem)} It is tried again.
        </span>
      )}
      <span class="grow" />
      <span>{extent.complete ? 'Complete' : isTerminal(job.state) ? 'Ended' : 'Growing'}</span>
    </div>
  );
}
