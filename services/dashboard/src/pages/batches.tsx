import type { BatchView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { BatchMeter } from '../batches/meter.tsx';
import { useAddressQuery } from '../data/address.ts';
import { useBatchPage } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { count, percent } from '../format/numbers.ts';
import { atMs } from '../format/time.ts';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { Elapsed, Time } from '../parts/time.tsx';

/** Batches, newest first. */
export default function BatchesPage(): JSX.Element {
  useTitle('Batches');
  const { query, href } = useAddressQuery();
  const { data, error, refetch } = useBatchPage(query.get('cursor') ?? undefined);
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Batches</h1>
      </div>
      {error !== null && (
        <Problem what="The batches cannot be listed." error={error} onRetry={() => void refetch()} />
      )}
      <section class="card" aria-label="Batches">
        {data === undefined ? (
          error === null && <Loading rows={6} />
        ) : data.batches.length === 0 ? (
          <Empty title="No batches yet">
            <p>Many jobs in one request make a batch. It appears here by itself.</p>
            <pre>npx cronium batch submit jobs.ndjson --watch</pre>
          </Empty>
        ) : (
          <BatchTable batches={data.batches} />
        )}
      </section>
      <nav class="row end" aria-label="Pages of batches">
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

function BatchTable({ batches }: { batches: readonly BatchView[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Batch</th>
            <th scope="col" class="wide">
              Progress
            </th>
            <th scope="col" class="right">
              Jobs
            </th>
            <th scope="col" class="right">
              Not well
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
          {batches.map((batch) => (
            <tr key={batch.id}>
              <td class="name">
                <a href={`/batches/${batch.id}`}>{batch.name ?? batch.id}</a>
                <small class="mono">{batch.id}</small>
              </td>
              <td>
                <BatchMeter batch={batch} />
                <small class="muted">{percent(batch.progress)}</small>
              </td>
              <td class="right number">{count(batch.total)}</td>
              <td class="right number">
                {count(batch.counts.failed + batch.counts.timed_out + batch.counts.lost)}
              </td>
              <td class="right">
                <Elapsed from={atMs(batch.createdAt)} to={atMs(batch.endedAt)} />
              </td>
              <td class="right">
                <Time ms={atMs(batch.createdAt)} age />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
