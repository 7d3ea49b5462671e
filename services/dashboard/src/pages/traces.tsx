import type { JobSummary } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useAddressQuery } from '../data/address.ts';
import { useJobPage } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { nameOf } from '../format/names.ts';
import { atMs } from '../format/time.ts';
import { now } from '../parts/clock.ts';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Pager } from '../parts/pager.tsx';
import { StateBadge } from '../parts/state.tsx';
import { Elapsed, Time } from '../parts/time.tsx';

/** The newest traces, and the way to any other by its id. */
export default function TracesPage(): JSX.Element {
  useTitle('Traces');
  const address = useAddressQuery();
  const cursor = address.query.get('cursor') ?? undefined;
  const read = useJobPage({ limit: 40, ...(cursor !== undefined && { cursor }) });
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Traces</h1>
        <FindTrace />
      </div>
      <Listed
        label="Traces"
        items={read.data?.jobs}
        read={read}
        problem="The traces cannot be listed."
        rows={8}
        empty={
          <Empty title="No traces yet">
            <p>Every job has one, from its submit to its last log line. Submit a job to see it.</p>
          </Empty>
        }
      >
        {(jobs) => <TraceTable jobs={jobs} />}
      </Listed>
      <Pager of="traces" address={address} next={read.data?.cursor} />
    </>
  );
}

function FindTrace(): JSX.Element {
  const { route } = useLocation();
  const [id, setId] = useState('');
  const wrong = id !== '' && !/^[0-9a-f]{32}$/i.test(id.trim());
  return (
    <form
      class="row"
      onSubmit={(event) => {
        event.preventDefault();
        if (!wrong && id !== '') route(`/traces/${id.trim().toLowerCase()}`);
      }}
    >
      <input
        class="input mono"
        size={34}
        placeholder="Trace id, 32 hex digits"
        aria-label="Trace id"
        aria-invalid={wrong}
        value={id}
        onInput={({ currentTarget }) => setId(currentTarget.value)}
      />
      <button type="submit" class="button" disabled={id === '' || wrong}>
        Open
      </button>
    </form>
  );
}

/** Bars on one scale, so that the slow one is seen at once. */
function TraceTable({ jobs }: { jobs: readonly JobSummary[] }): JSX.Element {
  const longest = Math.max(1, ...jobs.map(lengthOf));
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Trace</th>
            <th scope="col">State</th>
            <th scope="col" class="wide">
              Waited and ran
            </th>
            <th scope="col" class="right">
              In all
            </th>
            <th scope="col" class="right">
              Began
            </th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <tr key={job.id}>
              <td class="name">
                <a href={`/traces/${job.traceId}`}>{nameOf(job)}</a>
                <small class="mono">{job.traceId.slice(0, 16)}…</small>
              </td>
              <td>
                <StateBadge state={job.state} />
              </td>
              <td>
                <Parts job={job} longest={longest} />
              </td>
              <td class="right">
                <Elapsed from={atMs(job.acceptedAt)} to={atMs(job.endedAt)} />
              </td>
              <td class="right">
                <Time ms={atMs(job.acceptedAt)} age />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function lengthOf(job: JobSummary): number {
  return Math.max(0, (atMs(job.endedAt) ?? now.value) - (atMs(job.acceptedAt) ?? 0));
}

function Parts({ job, longest }: { job: JobSummary; longest: number }): JSX.Element {
  const accepted = atMs(job.acceptedAt) ?? 0;
  const end = atMs(job.endedAt) ?? now.value;
  const started = atMs(job.startedAt) ?? end;
  const share = (ms: number) => `${(Math.max(0, ms) / longest) * 100}%`;
  return (
    <div class="meter" aria-hidden="true">
      <span style={{ width: share(started - accepted), background: 'var(--fill-queued)' }} />
      <span style={{ width: share(end - started), background: 'var(--fill-running)' }} />
    </div>
  );
}
