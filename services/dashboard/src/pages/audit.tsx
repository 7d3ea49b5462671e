import type { AuditEntry } from '@cronium/contracts';
import { AUDIT_ACTIONS } from '@cronium/contracts/audit-actions';
import type { JSX } from 'preact';
import { type AddressQuery, useAddressQuery } from '../data/address.ts';
import { useAuditPage } from '../data/reads.ts';
import { mayAct } from '../data/session.ts';
import { useTitle } from '../data/title.ts';
import { atMs } from '../format/time.ts';
import { Icon } from '../parts/icons.tsx';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Pager } from '../parts/pager.tsx';
import { Time } from '../parts/time.tsx';
import { Typed } from '../parts/typed.tsx';

const PAGE_SIZE = 50;
/** `job` stands for all that is done to jobs. */
const THINGS = [...new Set(AUDIT_ACTIONS.map((action) => action.split('.')[0] ?? action))];
/** Things that have pages of their own. */
const PAGES: Readonly<Record<string, string>> = { job: '/jobs', batch: '/batches', flow: '/flows' };

/** Who did what, newest first. */
export default function AuditPage(): JSX.Element {
  useTitle('Audit');
  if (mayAct('admin')) return <Audit />;
  return (
    <section class="card">
      <Empty title="Only admins see the audit log">
        <p>Sign in with an admin’s key, or ask an admin.</p>
      </Empty>
    </section>
  );
}

function Audit(): JSX.Element {
  const address = useAddressQuery();
  const filter = filterOf(address.query);
  const cursor = address.query.get('cursor');
  const read = useAuditPage({
    ...filter,
    limit: PAGE_SIZE,
    ...(cursor !== null && { cursor }),
  });
  const all = new URLSearchParams({ ...filter, format: 'ndjson' });
  return (
    <>
      <div class="page-head">
        <h1 class="grow">Audit</h1>
        <a class="button" href={`/v1/audit?${all}`} download="audit.ndjson">
          <Icon name="download" />
          Export
        </a>
      </div>
      <Filters address={address} />
      <Listed
        label="Audit log"
        items={read.data?.entries}
        read={read}
        problem="The audit log cannot be read."
        rows={8}
        empty={<NoEntries filtered={Object.keys(filter).length > 0} />}
      >
        {(entries) => <EntryTable entries={entries} />}
      </Listed>
      <Pager of="the audit log" address={address} next={read.data?.cursor} />
    </>
  );
}

function filterOf(query: URLSearchParams): Record<string, string> {
  const given = ['action', 'actor', 'target'].map((name) => [name, query.get(name) ?? ''] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== ''));
}

function Filters({ address: { query, set } }: { address: AddressQuery }): JSX.Element {
  const change = (name: string) => (value: string) => set({ [name]: value, cursor: undefined });
  return (
    <search>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label class="field">
          Action
          <select
            class="input"
            value={query.get('action') ?? ''}
            onChange={({ currentTarget }) => change('action')(currentTarget.value)}
          >
            <option value="">All actions</option>
            {THINGS.map((thing) => (
              <optgroup key={thing} label={thing}>
                <option value={thing}>{thing}: all</option>
                {AUDIT_ACTIONS.filter((action) => action.startsWith(`${thing}.`)).map((action) => (
                  <option key={action} value={action}>
                    {action}
                  </option>
                ))}
              </optgroup>
            ))}
          </select>
        </label>
        <Typed label="By whom (name of a key)" name="actor" query={query} onChange={change('actor')} />
        <Typed label="To what" name="target" query={query} onChange={change('target')} />
      </form>
    </search>
  );
}

function NoEntries({ filtered }: { filtered: boolean }): JSX.Element {
  if (!filtered) {
    return (
      <Empty title="Nothing was done yet">
        <p>Submits, cancels, and changes of settings and workers are written down here.</p>
      </Empty>
    );
  }
  return (
    <Empty title="No entry is like this">
      <p>
        Names must be whole. Loosen a filter, or <a href="/audit">show all entries</a>.
      </p>
    </Empty>
  );
}

function EntryTable({ entries }: { entries: readonly AuditEntry[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">By whom</th>
            <th scope="col">Action</th>
            <th scope="col">To what</th>
            <th scope="col">Detail</th>
            <th scope="col">From</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.id}>
              <td>
                <Time ms={atMs(entry.at)} />
              </td>
              <td>{entry.actor.replace(/^key:/, '')}</td>
              <td>
                <code>{entry.action}</code>
              </td>
              <td class="mono">
                <Target entry={entry} />
              </td>
              <td class="muted">{entry.detail}</td>
              <td class="muted mono">{entry.from ?? '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Target({ entry: { action, target } }: { entry: AuditEntry }): JSX.Element {
  const page = PAGES[action.split('.')[0] ?? ''];
  return page === undefined ? (
    <span>{target}</span>
  ) : (
    <a href={`${page}/${encodeURIComponent(target)}`}>{target}</a>
  );
}
