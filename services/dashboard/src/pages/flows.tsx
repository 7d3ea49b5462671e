import type { FlowSummary } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useAddressQuery } from '../data/address.ts';
import { useFlowPage } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { nameOf } from '../format/names.ts';
import { count } from '../format/numbers.ts';
import { atMs } from '../format/time.ts';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Pager } from '../parts/pager.tsx';
import { StateBadge } from '../parts/state.tsx';
import { Elapsed, Time } from '../parts/time.tsx';

const PAGE_SIZE = 25;

/** Flows, newest first. */
export default function FlowsPage(): JSX.Element {
  useTitle('Flows');
  const address = useAddressQuery();
  const read = useFlowPage({
    limit: PAGE_SIZE,
    cursor: address.query.get('cursor') ?? undefined,
  });
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Flows</h1>
      </div>
      <Listed
        label="Flows"
        items={read.data?.flows}
        read={read}
        problem="The flows cannot be listed."
        rows={6}
        empty={
          <Empty title="No flows yet">
            <p>Jobs that wait for each other make a flow. It appears here by itself.</p>
            <pre>npx cronium flow --help</pre>
          </Empty>
        }
      >
        {(flows) => <FlowTable flows={flows} />}
      </Listed>
      <Pager of="flows" address={address} next={read.data?.cursor} />
    </>
  );
}

function FlowTable({ flows }: { flows: readonly FlowSummary[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Flow</th>
            <th scope="col">State</th>
            <th scope="col" class="right">
              Steps done
            </th>
            <th scope="col" class="right">
              Took
            </th>
            <th scope="col" class="right">
              Created
            </th>
          </tr>
        </thead>
        <tbody>
          {flows.map(({ id, name, state, steps, done, createdAt, endedAt }) => (
            <tr key={id}>
              <td class="name">
                <a href={`/flows/${id}`}>{nameOf({ id, name })}</a>
                <small class="mono">{id}</small>
              </td>
              <td>
                <StateBadge state={state} />
              </td>
              <td class="right number">
                {count(done)} of {count(steps)}
              </td>
              <td class="right">
                <Elapsed from={atMs(createdAt)} to={atMs(endedAt)} />
              </td>
              <td class="right">
                <Time ms={atMs(createdAt)} age />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
