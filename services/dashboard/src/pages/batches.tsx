import type { BatchView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { BatchMeter } from '../batches/meter.tsx';
import { useAddressQuery } from '../data/address.ts';
import { useBatchPage } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { count, percent } from '../format/numbers.ts';
import { atMs } from '../format/time.ts';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Pager } from '../parts/pager.tsx';
import { Elapsed, Time } from '../parts/time.tsx';

/** Batches, newest first. */
export default function BatchesPage(): JSX.Element {
  useTitle('Batches');
  const address = useAddressQuery();
  const read = useBatchPage(address.query.get('cursor') ?? undefined);
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Batches</h1>
      </div>
      <Listed
        label="Batches"
        items={read.data?.batches}
        read={read}
        problem="The batches cannot be listed."
        rows={6}
        empty={
          <Empty title="No batches yet">
            <p>Many jobs in one request make a batch. It appears here by itself.</p>
            <pre>npx cronium batch submit jobs.ndjson --watch</pre>
          </Empty>
        }
      >
        {(batches) => <BatchTable batches={batches} />}
      </Listed>
      <Pager of="batches" address={address} next={read.data?.cursor} />
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
