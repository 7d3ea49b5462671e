import type { JSX } from 'preact';
import { useRoute } from 'preact-iso';
import { isMissing } from '../data/client.ts';
import { useTrace } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { Copy } from '../parts/copy.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { Waterfall } from '../trace/waterfall.tsx';

/** A whole trace: every job in it, and all that was sent over OTLP. */
export default function TracePage(): JSX.Element {
  const { traceId = '' } = useRoute().params;
  useTitle(`Trace ${traceId.slice(0, 8)}`);
  const { data, error, refetch } = useTrace(traceId);
  const jobs = [...new Set((data?.spans ?? []).map(({ attributes }) => attributes['cronium.job']))].filter(
    (id): id is string => typeof id === 'string',
  );
  if (data === undefined && error !== null && isMissing(error)) {
    return (
      <Empty title="There is no such trace">
        <p>
          Nothing is known of <code>{traceId}</code>. A trace begins when its first job is accepted, and goes
          with the days that this fleet no longer keeps. Look among <a href="/traces">the newest traces</a>.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <div class="stack">
        <nav class="crumbs" aria-label="Where this is">
          <a href="/traces">Traces</a>
          <span>/</span>
          <span class="mono">{traceId}</span>
          <Copy text={traceId} what="the trace's id" />
        </nav>
        <div class="page-head">
          <h1>{rootName(data?.spans ?? []) ?? 'Trace'}</h1>
          <span class="grow" />
          {jobs.length === 1 && (
            <a class="button" href={`/jobs/${jobs[0]}`}>
              Job and log
            </a>
          )}
        </div>
      </div>
      {error !== null && data === undefined && (
        <Problem what="The trace cannot be read." error={error} onRetry={() => void refetch()} />
      )}
      <section class="card" aria-label="Waterfall">
        {data === undefined ? error === null && <Loading rows={8} /> : <Waterfall trace={data} />}
      </section>
    </>
  );
}

/** The name of the job whose trace it is. */
function rootName(
  spans: readonly { readonly attributes: Readonly<Record<string, unknown>> }[],
): string | undefined {
  const name = spans
    .map(({ attributes }) => attributes['cronium.name'])
    .find((one) => typeof one === 'string');
  return typeof name === 'string' ? name : undefined;
}
