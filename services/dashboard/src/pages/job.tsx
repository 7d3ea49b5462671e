import type { JobView } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { useRoute } from 'preact-iso';
import { useAddressQuery } from '../data/address.ts';
import { isMissing } from '../data/client.ts';
import { useJob } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { nameOf } from '../format/names.ts';
import { JobActions } from '../jobs/actions.tsx';
import { ArtifactsTab } from '../jobs/artifacts.tsx';
import { AttemptsTab } from '../jobs/attempts.tsx';
import { Death } from '../jobs/death.tsx';
import { JobFacts } from '../jobs/facts.tsx';
import { PhaseTimeline } from '../jobs/timeline.tsx';
import { Why } from '../jobs/why.tsx';
import { LogView } from '../logs/log-view.tsx';
import { Copy } from '../parts/copy.tsx';
import { JsonText } from '../parts/json-text.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { StateBadge } from '../parts/state.tsx';
import { TraceTab } from '../trace/trace-tab.tsx';

const TABS = {
  log: 'Log',
  output: 'Output',
  artifacts: 'Artifacts',
  trace: 'Trace',
  attempts: 'Attempts',
  spec: 'Spec',
} as const;
type Tab = keyof typeof TABS;

/** One job: how it stands, how it got there, and what it left. */
export function JobPage(): JSX.Element {
  const { id = '' } = useRoute().params;
  const { data: job, error, refetch } = useJob(id);
  useTitle(job === undefined ? id : nameOf(job));
  if (job === undefined) {
    if (error === null) return <Loading rows={8} />;
    if (isMissing(error)) {
      return (
        <Empty title="There is no such job">
          <p>
            <code>{id}</code> was never accepted here, or it is older than what this fleet keeps. Look among{' '}
            <a href="/jobs">all jobs</a>.
          </p>
        </Empty>
      );
    }
    return <Problem what="The job cannot be read." error={error} onRetry={() => void refetch()} />;
  }
  return <Job key={job.id} job={job} />;
}

function Job({ job }: { job: JobView }): JSX.Element {
  return (
    <>
      <div class="stack">
        <nav class="crumbs" aria-label="Where this is">
          <a href="/jobs">Jobs</a>
          {job.batchId !== null && (
            <>
              <span>/</span>
              <a href={`/batches/${job.batchId}`}>{job.batchId}</a>
            </>
          )}
          <span>/</span>
          <span class="mono">{job.id}</span>
          <Copy text={job.id} what="the job's id" />
        </nav>
        <div class="page-head">
          <h1>{nameOf(job)}</h1>
          <StateBadge state={job.state} />
          <span class="grow" />
          <JobActions job={job} />
        </div>
      </div>
      <JobFacts job={job} />
      {job.state === 'queued' && <Why job={job} />}
      {isTerminal(job.state) && job.state !== 'succeeded' && <Death job={job} />}
      {job.attemptList.length > 0 && <PhaseTimeline job={job} />}
      <Tabs job={job} />
    </>
  );
}

function Tabs({ job }: { job: JobView }): JSX.Element {
  const { query, href } = useAddressQuery();
  const wanted = query.get('tab') ?? 'log';
  const tab: Tab = wanted in TABS ? (wanted as Tab) : 'log';
  return (
    <section class="card" aria-label={TABS[tab]}>
      <nav class="tabs" aria-label="Parts of the job">
        {Object.entries(TABS).map(([name, label]) => (
          <a key={name} href={href({ tab: name === 'log' ? undefined : name })} aria-current={name === tab}>
            {label}
          </a>
        ))}
      </nav>
      <TabBody job={job} tab={tab} />
    </section>
  );
}

function TabBody({ job, tab }: { job: JobView; tab: Tab }): JSX.Element {
  switch (tab) {
    case 'log':
      return <LogView job={job} />;
    case 'output':
      return <Output job={job} />;
    case 'artifacts':
      return <ArtifactsTab job={job} />;
    case 'trace':
      return <TraceTab job={job} />;
    case 'attempts':
      return <AttemptsTab job={job} />;
    case 'spec':
      return <JsonText value={job.spec} what="the spec" />;
  }
}

function Output({ job }: { job: JobView }): JSX.Element {
  if (job.output !== null) return <JsonText value={job.output} what="the output" />;
  return (
    <Empty title={isTerminal(job.state) ? 'The job left no output' : 'No output yet'}>
      <p>
        A job leaves one with <code>cronium_output</code> in Bash, or <code>cronium.output(…)</code> in Python
        and Node.js.
      </p>
    </Empty>
  );
}
