import type { FlowSummary } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useAddressQuery } from '../data/address.ts';
import { useFlowPage } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { nameOf } from '../format/names.ts';
import { count } from '../format/numbers.ts';
import { atMs } from '../format/time.ts';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { StateBadge } from '../parts/state.tsx';
import { Elapsed, Time } from '../parts/time.tsx';

const PAGE_SIZE = 25;

/** Flows, newest first. */
export default function FlowsPage(): JSX.Element {
  useTitle('Flows');
  const { query, href } = useAddressQuery();
  const { data, error, refetch } = useFlowPage({
    limit: PAGE_SIZE,
    cursor: query.get('cursor') ?? undefined,
  });
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Flows</h1>
      </div>
      {error !== null && (
        <Problem what="The flows cannot be listed." error={error} onRetry={() => void refetch()} />
      )}
      <section class="card" aria-label="Flows">
        {data === undefined ? (
          error === null && <Loading rows={6} />
        ) : data.flows.length === 0 ? (
          <Empty title="No flows yet">
            <p>Jobs that wait for each other make a flow. It appears here by itself.</p>
            <pre>npx cronium flow --help</pre>
          </Empty>
        ) : (
          <FlowTable flows={data.flows} />
        )}
      </section>
      <nav class="row end" aria-label="Pages of flows">
        {query.has('cursor') && (
          <a class="button" href={href({ cursor: undefined })}>
            Newest
          </a>
        )}
        {data?.cursor != null && (
          <a class="button" href={href({ cursor: data.cursor })}>
            Older
          </a>
        )}
      </nav>
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
