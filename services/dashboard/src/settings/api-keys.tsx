import type { ApiKeyView, NewApiKey } from '@cronium/client';
import { useQuery } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { client, queries } from '../data/client.ts';
import { messageOf } from '../data/session.ts';
import { atMs } from '../format/time.ts';
import { Action } from '../parts/action.tsx';
import { Copy } from '../parts/copy.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { Time } from '../parts/time.tsx';
import { showToast } from '../parts/toast.tsx';

const ROLES: Readonly<Record<ApiKeyView['role'], string>> = {
  reader: 'reads everything, changes nothing',
  submitter: 'submits, cancels and retries jobs',
  admin: 'also drains workers, sets secrets, makes keys',
};

/** Keys that open the API; each is shown once, when it is made. */
export function ApiKeys(): JSX.Element {
  const { data, error, refetch } = useQuery({
    queryKey: ['api-keys'],
    queryFn: ({ signal }) => client.settings.apiKeys({ signal }),
  });
  const [made, setMade] = useState<NewApiKey>();
  return (
    <>
      <MakeKey onMade={setMade} />
      {made !== undefined && <Made made={made} />}
      <section class="card" aria-label="API keys">
        {error !== null && (
          <Problem what="The keys cannot be listed." error={error} onRetry={() => void refetch()} />
        )}
        {data === undefined ? (
          error === null && <Loading />
        ) : data.length === 0 ? (
          <Empty title="No keys were made here yet">
            <p>Those of the environment (CRONIUM_API_KEYS) are good too, and not listed.</p>
          </Empty>
        ) : (
          <KeyTable keys={data} />
        )}
      </section>
    </>
  );
}

function KeyTable({ keys }: { keys: readonly ApiKeyView[] }): JSX.Element {
  return (
    <table class="table">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col">Role</th>
          <th scope="col" class="right">
            Made
          </th>
          <th scope="col">
            <span class="hidden-label">Delete</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {keys.map(({ name, role, createdAt }) => (
          <tr key={name}>
            <td>{name}</td>
            <td>
              {role} <span class="muted">{ROLES[role]}</span>
            </td>
            <td class="right">
              <Time ms={atMs(createdAt)} />
            </td>
            <td class="right">
              <DeleteKey name={name} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function DeleteKey({ name }: { name: string }): JSX.Element {
  const run = async () => {
    await client.settings.deleteApiKey(name);
    await queries.invalidateQueries({ queryKey: ['api-keys'] });
  };
  const confirm = {
    title: `Delete the key ${name}?`,
    text: 'Whoever uses it is locked out at once.',
    button: 'Delete',
  };
  return (
    <Action run={run} kind="small danger" confirm={confirm} done={`The key ${name} is deleted.`}>
      Delete
    </Action>
  );
}

function Made({ made }: { made: NewApiKey }): JSX.Element {
  return (
    <div class="card card-body row" role="status">
      <span>
        The key <strong>{made.name}</strong>, shown this once:
      </span>
      <code>{made.key}</code>
      <Copy text={made.key} what="the key" />
    </div>
  );
}

function MakeKey({ onMade }: { onMade: (made: NewApiKey) => void }): JSX.Element {
  const [name, setName] = useState('');
  const [role, setRole] = useState<ApiKeyView['role']>('submitter');
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      onMade(await client.settings.createApiKey({ name, role }));
      setName('');
      await queries.invalidateQueries({ queryKey: ['api-keys'] });
    } catch (error) {
      showToast(messageOf(error), 'error');
    }
  };
  return (
    <form class="card card-body put" onSubmit={(event) => void submit(event)}>
      <label class="field">
        Name
        <input
          class="input"
          required
          value={name}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
      </label>
      <label class="field grow">
        Role
        <select
          class="input"
          value={role}
          onChange={({ currentTarget }) => setRole(currentTarget.value as ApiKeyView['role'])}
        >
          {Object.entries(ROLES).map(([value, text]) => (
            <option key={value} value={value}>
              {value}: {text}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="button primary">
        Make a key
      </button>
    </form>
  );
}
