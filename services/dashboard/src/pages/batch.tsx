import type { BatchView } from '@cronium/contracts';
import { JOB_STATES } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { useRoute } from 'preact-iso';
import { BatchActions } from '../batches/actions.tsx';
import { FailureGroups } from '../batches/failure-groups.tsx';
import { BatchMeter } from '../batches/meter.tsx';
import { useAddressQuery } from '../data/address.ts';
import { isMissing } from '../data/client.ts';
import { useBatch, useJobPage } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { count, percent } from '../format/numbers.ts';
import { atMs, duration, durationOrDash } from '../format/time.ts';
import { JobTable } from '../jobs/job-table.tsx';
import { Copy } from '../parts/copy.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { Pager } from '../parts/pager.tsx';
import { STATES } from '../parts/state.tsx';
import { Elapsed, Time } from '../parts/time.tsx';

/** One batch: how far it is, and what went wrong in it. */
export default function BatchPage(): JSX.Element {
  const { id = '' } = useRoute().params;
  const { data: batch, error, refetch } = useBatch(id);
  useTitle(batch?.name ?? id);
  if (batch === undefined) {
    if (error === null) return <Loading rows={8} />;
    if (!isMissing(error))
      return <Problem what="The batch cannot be read." error={error} onRetry={() => void refetch()} />;
    return (
      <Empty title="There is no such batch">
        <p>
          <code>{id}</code> was never accepted here, or it is older than what this fleet keeps. Look among{' '}
          <a href="/batches">all batches</a>.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <div class="stack">
        <nav class="crumbs" aria-label="Where this is">
          <a href="/batches">Batches</a>
          <span>/</span>
          <span class="mono">{batch.id}</span>
          <Copy text={batch.id} what="the batch's id" />
        </nav>
        <div class="page-head">
          <h1>{batch.name ?? batch.id}</h1>
          <span class="grow" />
          <BatchActions batch={batch} />
        </div>
      </div>
      <Progress batch={batch} />
      <FailureGroups batch={batch} />
      <BatchJobs batch={batch} />
    </>
  );
}

function Progress({ batch }: { batch: BatchView }): JSX.Element {
  const there = JOB_STATES.filter((state) => batch.counts[state] > 0);
  return (
    <section class="card card-body stack" aria-label="Progress">
      <div class="row">
        <strong class="batch-progress number">{percent(batch.progress)}</strong>
        <span class="muted">
          {count(batch.ended)} of {count(batch.total)} jobs have ended
          {!batch.complete && '; more are still being submitted'}
          {batch.rejected > 0 && `; ${count(batch.rejected)} lines were rejected`}
        </span>
        <span class="grow" />
        {batch.endedAt === null && batch.etaSeconds !== null && (
          <span class="muted">about {duration(batch.etaSeconds * 1000)} left</span>
        )}
      </div>
      <div class="big-meter">
        <BatchMeter batch={batch} />
      </div>
      <div class="legend">
        {there.map((state) => (
          <span key={state}>
            <i style={{ background: `var(--fill-${STATES[state].colour})` }} />
            {STATES[state].label} <b class="number">{count(batch.counts[state])}</b>
          </span>
        ))}
      </div>
      <dl class="facts">
        <div>
          <dt>Created</dt>
          <dd>
            <Time ms={atMs(batch.createdAt)} />
          </dd>
        </div>
        <div>
          <dt>Took</dt>
          <dd>
            <Elapsed from={atMs(batch.createdAt)} to={atMs(batch.endedAt)} />
          </dd>
        </div>
        {(['p50', 'p95', 'p99'] as const).map((name) => (
          <div key={name}>
            <dt>Run, {name === 'p50' ? 'median' : `${name.slice(1)}% within`}</dt>
            <dd class="number">{durationOrDash(batch.percentiles[name])}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function BatchJobs({ batch }: { batch: BatchView }): JSX.Element {
  const address = useAddressQuery();
  const { query } = address;
  const state = query.get('state') ?? undefined;
  const cursor = query.get('cursor') ?? undefined;
  const { data } = useJobPage({
    batch: batch.id,
    limit: 25,
    ...(state !== undefined && { state }),
    ...(cursor !== undefined && { cursor }),
  });
  return (
    <section class="card" aria-labelledby="batch-jobs">
      <div class="card-head">
        <h2 id="batch-jobs" class="grow">
          Jobs
        </h2>
        <a href={`/jobs?batch=${batch.id}`}>Filter them</a>
      </div>
      {data === undefined ? <Loading rows={5} /> : <JobTable jobs={data.jobs} />}
      <Pager of="jobs" address={address} next={data?.cursor} />
    </section>
  );
}
