import { CroniumApiError, type SealedView } from '@cronium/client';
import { useQuery } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { client } from '../data/client.ts';
import { mayAct, messageOf } from '../data/session.ts';
import { atMs } from '../format/time.ts';
import { Delete } from '../parts/delete.tsx';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { Time } from '../parts/time.tsx';
import { StoreForm, TextField } from './store-form.tsx';

const READ = ['secrets'];

/** Names of secrets; what is stored is never shown again. */
export function Secrets(): JSX.Element {
  const read = useQuery({
    queryKey: READ,
    queryFn: ({ signal }) => client.settings.secrets({ signal }),
  });
  const { error } = read;
  const noKey = error instanceof CroniumApiError && error.problem.type.endsWith('/no-secrets-key');
  if (noKey) {
    return (
      <section class="card">
        <Empty title="Secrets cannot be stored yet">
          <p>{messageOf(error)}</p>
        </Empty>
      </section>
    );
  }
  return (
    <>
      {mayAct('admin') && <PutSecret />}
      <Listed
        label="Secrets"
        items={read.data}
        read={read}
        problem="The secrets cannot be listed."
        empty={
          <Empty title="No secrets yet">
            <p>A job gets only the secrets that its spec names. What is stored is never shown again.</p>
          </Empty>
        }
      >
        {(secrets) => <SecretTable secrets={secrets} />}
      </Listed>
    </>
  );
}

function SecretTable({ secrets }: { secrets: readonly SealedView[] }): JSX.Element {
  return (
    <table class="table">
      <thead>
        <tr>
          <th scope="col">Name</th>
          <th scope="col" class="right">
            Changed
          </th>
          <th scope="col">
            <span class="hidden-label">Delete</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {secrets.map(({ name, updatedAt }) => (
          <tr key={name}>
            <td class="mono">{name}</td>
            <td class="right">
              <Time ms={atMs(updatedAt)} />
            </td>
            <td class="right">
              {mayAct('admin') && (
                <Delete
                  name={name}
                  warning="Jobs that name it fail to start. It cannot be brought back."
                  remove={() => client.settings.deleteSecret(name)}
                  changes={READ}
                />
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function PutSecret(): JSX.Element {
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const store = async () => {
    await client.settings.putSecret(name, value);
    setName('');
    setValue('');
    return `${name} is stored.`;
  };
  return (
    <StoreForm button="Store" store={store} changes={READ}>
      <TextField label="Name" class="mono" required value={name} onValue={setName} />
      <TextField label="Value" class="mono" type="password" required value={value} onValue={setValue} />
    </StoreForm>
  );
}
