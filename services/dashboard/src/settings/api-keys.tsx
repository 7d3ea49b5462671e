import type { ApiKeyView, NewApiKey } from '@cronium/client';
import { useQuery } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { client } from '../data/client.ts';
import { atMs } from '../format/time.ts';
import { Copy } from '../parts/copy.tsx';
import { Delete } from '../parts/delete.tsx';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Time } from '../parts/time.tsx';
import { StoreForm, TextField } from './store-form.tsx';

const READ = ['api-keys'];
const ROLES: Readonly<Record<ApiKeyView['role'], string>> = {
  reader: 'reads everything, changes nothing',
  submitter: 'submits, cancels and retries jobs',
  admin: 'also drains workers, sets secrets, makes keys',
};

/** Keys that open the API; each is shown once, when it is made. */
export function ApiKeys(): JSX.Element {
  const read = useQuery({
    queryKey: READ,
    queryFn: ({ signal }) => client.settings.apiKeys({ signal }),
  });
  const [made, setMade] = useState<NewApiKey>();
  return (
    <>
      <MakeKey onMade={setMade} />
      {made !== undefined && <Made made={made} />}
      <Listed
        label="API keys"
        items={read.data}
        read={read}
        problem="The keys cannot be listed."
        empty={
          <Empty title="No keys were made here yet">
            <p>Those of the environment (CRONIUM_API_KEYS) are good too, and not listed.</p>
          </Empty>
        }
      >
        {(keys) => <KeyTable keys={keys} />}
      </Listed>
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
              <Delete
                name={`the key ${name}`}
                warning="Whoever uses it is locked out at once."
                remove={() => client.settings.deleteApiKey(name)}
                changes={READ}
              />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
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
  const store = async () => {
    onMade(await client.settings.createApiKey({ name, role }));
    setName('');
    return undefined;
  };
  return (
    <StoreForm button="Make a key" store={store} changes={READ}>
      <TextField label="Name" required value={name} onValue={setName} />
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
    </StoreForm>
  );
}
