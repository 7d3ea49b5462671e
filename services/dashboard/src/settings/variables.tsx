import type { VariableView } from '@cronium/contracts';
import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { client, queries } from '../data/client.ts';
import { mayAct, messageOf } from '../data/session.ts';
import { Action } from '../parts/action.tsx';
import { Empty, Loading, Problem } from '../parts/notices.tsx';
import { showToast } from '../parts/toast.tsx';

const LIMIT = 500;

/** Values that jobs share. */
export function Variables(): JSX.Element {
  const [prefix, setPrefix] = useState('');
  const { data, error, refetch } = useQuery({
    queryKey: ['variables', prefix],
    queryFn: ({ signal }) => client.settings.variables({ prefix, limit: LIMIT }, { signal }),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      {mayAct('submitter') && <PutVariable />}
      <section class="card" aria-label="Variables">
        <div class="card-head">
          <input
            class="input"
            type="search"
            placeholder="Key begins with…"
            aria-label="Key begins with"
            value={prefix}
            onInput={({ currentTarget }) => setPrefix(currentTarget.value)}
          />
        </div>
        {error !== null && (
          <Problem what="The variables cannot be listed." error={error} onRetry={() => void refetch()} />
        )}
        {data === undefined ? (
          error === null && <Loading />
        ) : data.length === 0 ? (
          <Empty title={prefix === '' ? 'No variables yet' : 'No key begins so'}>
            <p>
              Jobs set them with <code>cronium_set_variable</code>; you can set one above.
            </p>
          </Empty>
        ) : (
          <VariableTable variables={data} />
        )}
      </section>
    </>
  );
}

function VariableTable({ variables }: { variables: readonly VariableView[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Value</th>
            <th scope="col" class="right">
              Version
            </th>
            <th scope="col">
              <span class="hidden-label">Delete</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {variables.map(({ key, value, version }) => (
            <tr key={key}>
              <td class="mono">{key}</td>
              <td class="mono value">{JSON.stringify(value)}</td>
              <td class="right number">{version}</td>
              <td class="right">{mayAct('submitter') && <DeleteVariable name={key} />}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function DeleteVariable({ name }: { name: string }): JSX.Element {
  const run = async () => {
    await client.settings.deleteVariable(name);
    await queries.invalidateQueries({ queryKey: ['variables'] });
  };
  const confirm = { title: `Delete ${name}?`, text: 'Jobs that read it find nothing.', button: 'Delete' };
  return (
    <Action run={run} kind="small danger" confirm={confirm} done={`${name} is deleted.`}>
      Delete
    </Action>
  );
}

function PutVariable(): JSX.Element {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const { version } = await client.settings.putVariable(key, { value: readValue(value) });
      showToast(`${key} is set, version ${version}.`);
      setKey('');
      setValue('');
      await queries.invalidateQueries({ queryKey: ['variables'] });
    } catch (error) {
      showToast(messageOf(error), 'error');
    }
  };
  return (
    <form class="card card-body put" onSubmit={(event) => void submit(event)}>
      <label class="field">
        Key
        <input
          class="input mono"
          required
          value={key}
          onInput={({ currentTarget }) => setKey(currentTarget.value)}
        />
      </label>
      <label class="field grow">
        Value, as JSON or text
        <input
          class="input mono"
          value={value}
          onInput={({ currentTarget }) => setValue(currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary">
        Set
      </button>
    </form>
  );
}

/** What is not JSON is a text. */
function readValue(text: string): VariableView['value'] {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
