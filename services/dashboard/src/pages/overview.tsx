import type { OverviewView } from '@cronium/contracts';
import type { ComponentChildren, JSX } from 'preact';
import { useAddressQuery } from '../data/address.ts';
import { useJobPage, useOverview } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { compact, count, percent } from '../format/numbers.ts';
import { durationOrDash } from '../format/time.ts';
import { JobTable } from '../jobs/job-table.tsx';
import { Causes } from '../overview/causes.tsx';
import { OverviewCharts } from '../overview/charts.tsx';
import { Pools } from '../overview/pools.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import '../styles/overview.css';

const SPANS = { 15: '15 m', 60: '1 h', 360: '6 h', 1440: '24 h', 10080: '7 d' } as const;
const MINUTE_MS = 60_000;
const NOT_WELL = 'failed,timed_out,lost';

/** How the fleet does. */
export default function OverviewPage(): JSX.Element {
  useTitle('Overview');
  const { query, href } = useAddressQuery();
  const asked = Number(query.get('minutes') ?? 60);
  const minutes = asked in SPANS ? asked : 60;
  const { data, error, refetch } = useOverview(minutes);
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Overview</h1>
        <nav class="segments" aria-label="Time shown">
          {Object.entries(SPANS).map(([value, label]) => (
            <a
              key={value}
              href={href({ minutes: value === '60' ? undefined : value })}
              aria-current={Number(value) === minutes}
            >
              {label}
            </a>
          ))}
        </nav>
      </div>
      {error !== null && (
        <Problem what="The sums cannot be read." error={error} onRetry={() => void refetch()} />
      )}
      {data === undefined ? error === null && <Loading rows={6} /> : <Sums view={data} minutes={minutes} />}
      <Troubled />
    </>
  );
}

function Sums({ view, minutes }: { view: OverviewView; minutes: number }): JSX.Element {
  return (
    <>
      <Tiles view={view} minutes={minutes} />
      <OverviewCharts view={view} />
      <div class="panels">
        <Causes causes={view.causes} />
        <Pools />
      </div>
    </>
  );
}

function Tiles({ view, minutes }: { view: OverviewView; minutes: number }): JSX.Element {
  const { now, totals } = view;
  const ended = Object.values(totals.ended).reduce((sum, jobs) => sum + jobs, 0);
  const judged = ended - totals.ended.cancelled;
  const perMinute = ended / Math.min(minutes, Math.max(1, (Date.now() - view.from) / MINUTE_MS));
  return (
    <dl class="tiles">
      <Tile name="Ended" note={`${perMinute < 10 ? perMinute.toFixed(1) : compact(perMinute)} a minute`}>
        {compact(ended)}
      </Tile>
      <Tile name="Succeeded" note={<NotWell jobs={judged - totals.ended.succeeded} />}>
        {judged === 0 ? '–' : percent(totals.ended.succeeded / judged)}
      </Tile>
      <Tile name="Waiting" note={now.delayed > 0 ? `${compact(now.delayed)} delayed` : 'for a worker'}>
        {compact(now.waiting)}
      </Tile>
      <Tile name="Running" note={`${now.busy} of ${now.slots} slots busy`}>
        {compact(now.active)}
      </Tile>
      <Tile name="Start, median" note={`95% within ${durationOrDash(totals.start.p95)}`}>
        {durationOrDash(totals.start.p50)}
      </Tile>
      <Tile name="Run, median" note={`95% within ${durationOrDash(totals.run.p95)}`}>
        {durationOrDash(totals.run.p50)}
      </Tile>
      <Tile name="Workers ready" note={<a href="/workers">all workers</a>}>
        {now.nodes.ready}
        <small> of {now.nodes.total}</small>
      </Tile>
    </dl>
  );
}

/** The way to them, for who reads the number first. */
function NotWell({ jobs }: { jobs: number }): JSX.Element {
  return jobs === 0 ? <>all of them</> : <a href={`/jobs?state=${NOT_WELL}`}>{count(jobs)} did not</a>;
}

function Tile({
  name,
  note,
  children,
}: {
  name: string;
  note: ComponentChildren;
  children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="card tile">
      <dt>{name}</dt>
      <dd class="number">{children}</dd>
      <dd>
        <small>{note}</small>
      </dd>
    </div>
  );
}

/** The newest jobs that did not end well: what the one on call looks for. */
function Troubled(): JSX.Element | null {
  const { data } = useJobPage({ state: NOT_WELL, limit: 8 });
  if (data === undefined) return null;
  return (
    <section class="card" aria-labelledby="troubled">
      <div class="card-head">
        <h2 id="troubled" class="grow">
          Newest jobs that did not end well
        </h2>
        <a href={`/jobs?state=${NOT_WELL}`}>All of them</a>
      </div>
      {data.jobs.length === 0 ? (
        <Empty title="All is well">
          <p>No job has failed, timed out or been lost.</p>
        </Empty>
      ) : (
        <JobTable jobs={data.jobs} />
      )}
    </section>
  );
}
