import type { VariableView } from '@cronium/contracts';
import { keepPreviousData, useQuery } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { client } from '../data/client.ts';
import { mayAct } from '../data/session.ts';
import { Delete } from '../parts/delete.tsx';
import { Listed } from '../parts/listed.tsx';
import { Empty } from '../parts/notices.tsx';
import { StoreForm, TextField } from './store-form.tsx';

const READ = ['variables'];
const LIMIT = 500;

/** Values that jobs share. */
export function Variables(): JSX.Element {
  const [prefix, setPrefix] = useState('');
  const read = useQuery({
    queryKey: [...READ, prefix],
    queryFn: ({ signal }) => client.settings.variables({ prefix, limit: LIMIT }, { signal }),
    placeholderData: keepPreviousData,
  });
  return (
    <>
      {mayAct('submitter') && <PutVariable />}
      <Listed
        label="Variables"
        items={read.data}
        read={read}
        problem="The variables cannot be listed."
        head={
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
        }
        empty={
          <Empty title={prefix === '' ? 'No variables yet' : 'No key begins so'}>
            <p>
              Jobs set them with <code>cronium_set_variable</code>; you can set one above.
            </p>
          </Empty>
        }
      >
        {(variables) => <VariableTable variables={variables} />}
      </Listed>
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
              <td class="right">
                {mayAct('submitter') && (
                  <Delete
                    name={key}
                    warning="Jobs that read it find nothing."
                    remove={() => client.settings.deleteVariable(key)}
                    changes={READ}
                  />
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function PutVariable(): JSX.Element {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const store = async () => {
    const { version } = await client.settings.putVariable(key, { value: readValue(value) });
    setKey('');
    setValue('');
    return `${key} is set, version ${version}.`;
  };
  return (
    <StoreForm button="Set" store={store} changes={READ}>
      <TextField label="Key" class="mono" required value={key} onValue={setKey} />
      <TextField label="Value, as JSON or text" class="mono" value={value} onValue={setValue} />
    </StoreForm>
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
