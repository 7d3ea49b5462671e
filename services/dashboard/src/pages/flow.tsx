import type { FlowView } from '@cronium/contracts';
import { FLOW_LABEL } from '@cronium/contracts/job-labels';
import type { JSX } from 'preact';
import { useRoute } from 'preact-iso';
import { isMissing } from '../data/client.ts';
import { useFlow } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { FlowActions } from '../flows/actions.tsx';
import { StepGraph } from '../flows/step-graph.tsx';
import { StepTable } from '../flows/step-table.tsx';
import { nameOf } from '../format/names.ts';
import { count } from '../format/numbers.ts';
import { atMs } from '../format/time.ts';
import { Copy } from '../parts/copy.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { StateBadge } from '../parts/state.tsx';
import { Elapsed, Time } from '../parts/time.tsx';
import '../styles/flows.css';

/** One flow: its steps, what they wait for, and how far it is. */
export default function FlowPage(): JSX.Element {
  const { id = '' } = useRoute().params;
  const { data: flow, error, refetch } = useFlow(id);
  useTitle(flow === undefined ? id : nameOf(flow));
  if (flow === undefined) {
    if (error === null) return <Loading rows={8} />;
    if (!isMissing(error))
      return <Problem what="The flow cannot be read." error={error} onRetry={() => void refetch()} />;
    return (
      <Empty title="There is no such flow">
        <p>
          <code>{id}</code> was never accepted here, or it is older than what this fleet keeps. Look among{' '}
          <a href="/flows">all flows</a>.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <div class="stack">
        <nav class="crumbs" aria-label="Where this is">
          <a href="/flows">Flows</a>
          <span>/</span>
          <span class="mono">{flow.id}</span>
          <Copy text={flow.id} what="the flow's id" />
        </nav>
        <div class="page-head">
          <h1>{nameOf(flow)}</h1>
          <StateBadge state={flow.state} />
          <span class="grow" />
          <FlowActions flow={flow} />
        </div>
      </div>
      <FlowFacts flow={flow} />
      <StepGraph steps={flow.steps} />
      <StepTable steps={flow.steps} />
    </>
  );
}

function FlowFacts({ flow }: { flow: FlowView }): JSX.Element {
  const label = encodeURIComponent(`${FLOW_LABEL}=${flow.id}`);
  return (
    <section class="card card-body" aria-label="Facts">
      <dl class="facts">
        <div>
          <dt>Steps done</dt>
          <dd class="number">
            {count(flow.done)} of {count(flow.steps.length)}
          </dd>
        </div>
        <div>
          <dt>Created</dt>
          <dd>
            <Time ms={atMs(flow.createdAt)} />
          </dd>
        </div>
        <div>
          <dt>Took</dt>
          <dd>
            <Elapsed from={atMs(flow.createdAt)} to={atMs(flow.endedAt)} />
          </dd>
        </div>
        <div>
          <dt>More</dt>
          <dd class="row">
            <a href={`/jobs?label=${label}`}>Jobs</a>
            <a href={`/traces/${flow.traceId}`}>Trace</a>
          </dd>
        </div>
      </dl>
    </section>
  );
}
