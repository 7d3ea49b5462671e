import { webhookText } from '@cronium/client';
import type { JobView } from '@cronium/contracts';
import type { ComponentChildren, JSX } from 'preact';
import { atMs, durationOrDash } from '../format/time.ts';
import { Elapsed, Time } from '../parts/time.tsx';
import { Ran } from './ran.tsx';

/** What one wants to know of a job first. */
export function JobFacts({ job }: { job: JobView }): JSX.Element {
  const labels = Object.entries(job.labels);
  const newest = job.attemptList.at(-1);
  return (
    <dl class="card card-body facts">
      <Fact name="Accepted">
        <Time ms={atMs(job.acceptedAt)} />
      </Fact>
      <Fact name="Waited">
        {job.timings.queued === undefined ? (
          <Elapsed from={atMs(job.acceptedAt)} to={atMs(job.startedAt) ?? atMs(job.endedAt)} />
        ) : (
          durationOrDash(job.timings.queued)
        )}
      </Fact>
      <Fact name="Ran">
        <Ran job={job} />
      </Fact>
      <Fact name="Attempts">{job.attempts}</Fact>
      <Fact name="Exit code">{job.exitCode ?? '–'}</Fact>
      <Fact name="Node">{job.node ?? '–'}</Fact>
      <Fact name="Type and pool">
        {job.type} in {job.pool}
      </Fact>
      {newest !== undefined && job.condition !== null && (
        <Fact name="Condition">{String(job.condition)}</Fact>
      )}
      {job.progress !== null && (
        <Fact name="Progress">
          {job.progress.percent !== null && `${Math.round(job.progress.percent)}% `}
          {job.progress.message}
        </Fact>
      )}
      {job.webhook !== undefined && <Fact name="Webhook">{webhookText(job.webhook)}</Fact>}
      {labels.length > 0 && (
        <Fact name="Labels" wide>
          <span class="chips">
            {labels.map(([name, value]) => (
              <a key={name} class="chip" href={`/jobs?label=${encodeURIComponent(`${name}=${value}`)}`}>
                <span class="muted">{name}</span>
                {value}
              </a>
            ))}
          </span>
        </Fact>
      )}
    </dl>
  );
}

function Fact({
  name,
  wide = false,
  children,
}: {
  name: string;
  /** It needs the room of two. */
  wide?: boolean;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class={wide ? 'wide-fact' : ''}>
      <dt>{name}</dt>
      <dd class="number">{children}</dd>
    </div>
  );
}
