import type { QueryKey } from '@tanstack/preact-query';
import type { ComponentChildren, JSX } from 'preact';
import { queries } from '../data/client.ts';
import { messageOf } from '../data/session.ts';
import { showToast } from '../parts/toast.tsx';

/** A form that stores something of the tenant's. */
export function StoreForm({
  button,
  store,
  changes,
  children,
}: {
  button: string;
  /** Stores what was typed and empties the fields. @returns what to say then, if anything */
  store: () => Promise<string | undefined>;
  changes: QueryKey;
  children: ComponentChildren;
}): JSX.Element {
  const submit = async (event: Event) => {
    event.preventDefault();
    try {
      const done = await store();
      if (done !== undefined) showToast(done);
      await queries.invalidateQueries({ queryKey: changes });
    } catch (error) {
      showToast(messageOf(error), 'error');
    }
  };
  return (
    <form class="card card-body put" onSubmit={(event) => void submit(event)}>
      {children}
      <button type="submit" class="button primary">
        {button}
      </button>
    </form>
  );
}

/** A field of such a form. */
export function TextField({
  label,
  value,
  onValue,
  ...input
}: {
  label: string;
  value: string;
  onValue: (value: string) => void;
  class?: string;
  type?: 'password';
  required?: boolean;
}): JSX.Element {
  return (
    <label class="field">
      {label}
      <input
        autocomplete="off"
        {...input}
        class={`input ${input.class ?? ''}`}
        value={value}
        onInput={({ currentTarget }) => onValue(currentTarget.value)}
      />
    </label>
  );
}
