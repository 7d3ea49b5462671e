import { JOB_STATES } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { type AddressQuery, useAddressQuery } from '../data/address.ts';
import { type JobPageFilter, useJobPage } from '../data/reads.ts';
import { useTitle } from '../data/title.ts';
import { JobTable } from '../jobs/job-table.tsx';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Pager } from '../parts/pager.tsx';
import { STATES } from '../parts/state.tsx';
import { Typed } from '../parts/typed.tsx';

const PAGE_SIZE = 50;
const GROUPS = {
  '': 'All states',
  'queued,claimed,preparing,running,draining': 'Not ended',
  'failed,timed_out,lost': 'Not well ended',
} as const;
const TIMES = {
  '': 'Any time',
  '15m': 'Last 15 minutes',
  '1h': 'Last hour',
  '24h': 'Last day',
  '7d': 'Last week',
};
const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** All jobs, newest first, by filters that stand in the address. */
export function JobsPage(): JSX.Element {
  useTitle('Jobs');
  const address = useAddressQuery();
  const read = useJobPage(filterOf(address.query));
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Jobs</h1>
      </div>
      <Filters address={address} />
      <Listed
        label="Jobs"
        items={read.data?.jobs}
        read={read}
        problem="The jobs cannot be listed."
        busy={read.isPlaceholderData}
        rows={8}
        empty={<NoJobs address={address} further={read.data?.cursor ?? null} />}
      >
        {(jobs) => <JobTable jobs={jobs} />}
      </Listed>
      <Pager of="jobs" address={address} next={read.data?.cursor} />
    </>
  );
}

function filterOf(query: URLSearchParams): NonNullable<JobPageFilter> {
  const given = (name: string) => query.get(name) ?? undefined;
  const filter = {
    state: given('state'),
    name: given('name'),
    pool: given('pool'),
    batch: given('batch'),
    label: given('label'),
    from: fromOf(given('time')),
    cursor: given('cursor'),
  };
  const set = Object.entries(filter).filter(([, value]) => value !== undefined && value !== '');
  return { limit: PAGE_SIZE, ...Object.fromEntries(set) };
}

/** To the minute, so that the same filter stays the same request while the page is open. */
function fromOf(time: string | undefined): string | undefined {
  const match = /^(\d+)([mhd])$/.exec(time ?? '');
  if (match === null) return undefined;
  const spanMs = Number(match[1]) * UNIT_MS[match[2] as keyof typeof UNIT_MS];
  return new Date(Math.floor((Date.now() - spanMs) / 60_000) * 60_000).toISOString();
}

function Filters({ address }: { address: AddressQuery }): JSX.Element {
  const { query, set } = address;
  const change = (name: string) => (value: string) => set({ [name]: value, cursor: undefined });
  return (
    <search>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Typed label="Name" name="name" query={query} onChange={change('name')} />
        <label class="field">
          State
          <select
            class="input"
            value={query.get('state') ?? ''}
            onChange={({ currentTarget }) => change('state')(currentTarget.value)}
          >
            {Object.entries(GROUPS).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
            {JOB_STATES.map((state) => (
              <option key={state} value={state}>
                {STATES[state].label}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Accepted
          <select
            class="input"
            value={query.get('time') ?? ''}
            onChange={({ currentTarget }) => change('time')(currentTarget.value)}
          >
            {Object.entries(TIMES).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <Typed
          label="Label (name=value)"
          name="label"
          query={query}
          onChange={change('label')}
          isRight={isLabel}
        />
        <Typed label="Pool" name="pool" query={query} onChange={change('pool')} />
        <Typed label="Batch" name="batch" query={query} onChange={change('batch')} />
      </form>
    </search>
  );
}

function isLabel(text: string): boolean {
  return text === '' || /^[^:=]+[:=]/.test(text);
}

function NoJobs({ address, further }: { address: AddressQuery; further: string | null }): JSX.Element {
  if (further !== null) {
    return (
      <Empty title="No job like this among those looked at so far">
        <p>
          There are older ones: <a href={address.href({ cursor: further })}>look further back</a>, or name the
          time in which it was accepted.
        </p>
      </Empty>
    );
  }
  const filtered = ['state', 'name', 'pool', 'batch', 'label', 'time', 'cursor'].some((name) =>
    address.query.has(name),
  );
  if (filtered) {
    return (
      <Empty title="No job is like this">
        <p>
          Loosen a filter, or <a href="/jobs">show all jobs</a>.
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="No jobs yet">
      <p>Submit the first one; it appears here by itself.</p>
      <pre>npx cronium run -l bash 'echo "hello from $CRONIUM_JOB_ID"'</pre>
    </Empty>
  );
}
