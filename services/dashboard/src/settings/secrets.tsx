import { CroniumApiError } from '@cronium/client';
import { useQuery } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { client, queries } from '../data/client.ts';
import { mayAct, messageOf } from '../data/session.ts';
import { atMs } from '../format/time.ts';
import { Action } from '../parts/action.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { Time } from '../parts/time.tsx';
import { showToast } from '../parts/toast.tsx';

/** Names of secrets; what is stored is never shown again. */
export function Secrets(): JSX.Element {
  const { data, error, refetch } = useQuery({
    queryKey: ['secrets'],
    queryFn: ({ signal }) => client.settings.secrets({ signal }),
  });
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
      <section class="card" aria-label="Secrets">
        {error !== null && (
          <Problem what="The secrets cannot be listed." error={error} onRetry={() => void refetch()} />
        )}
        {data === undefined ? (
          error === null && <Loading />
        ) : data.length === 0 ? (
          <Empty title="No secrets yet">
            <p>A job gets only the secrets that its spec names. What is stored is never shown again.</p>
          </Empty>
        ) : (
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
              {data.map(({ name, updatedAt }) => (
                <tr key={name}>
                  <td class="mono">{name}</td>
                  <td class="right">
                    <Time ms={atMs(updatedAt)} />
                  </td>
                  <td class="right">{mayAct('admin') && <DeleteSecret name={name} />}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
    </>
  );
}

function DeleteSecret({ name }: { name: string }): JSX.Element {
  const run = async () => {
    await client.settings.deleteSecret(name);
    await queries.invalidateQueries({ queryKey: ['secrets'] });
  };
  const confirm = {
    title: `Delete ${name}?`,
    text: 'Jobs that name it fail to start. It cannot be brought back.',
    button: 'Delete',
  };
  return (
    <Action run={run} kind="small danger" confirm={confirm} done={`${name} is deleted.`}>
      Delete
    </Action>
  );
}

function PutSecret(): JSX.Element {
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      await client.settings.putSecret(name, value);
      showToast(`${name} is stored.`);
      setName('');
      setValue('');
      await queries.invalidateQueries({ queryKey: ['secrets'] });
    } catch (error) {
      showToast(messageOf(error), 'error');
    }
  };
  return (
    <form class="card card-body put" onSubmit={(event) => void submit(event)}>
      <label class="field">
        Name
        <input
          class="input mono"
          required
          value={name}
          onInput={({ currentTarget }) => setName(currentTarget.value)}
        />
      </label>
      <label class="field grow">
        Value
        <input
          class="input mono"
          type="password"
          autocomplete="off"
          required
          value={value}
          onInput={({ currentTarget }) => setValue(currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary">
        Store
      </button>
    </form>
  );
}
