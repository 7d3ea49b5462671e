import type { QueryKey } from '@tanstack/preact-query';
import type { JSX } from 'preact';
import { Action } from './action.tsx';

/** A row's button that deletes what the row is about, when the person is sure. */
export function Delete({
  name,
  warning,
  remove,
  changes,
}: {
  /** As a sentence names it: `the key x`. */
  name: string;
  /** What follows from it. */
  warning: string;
  remove: () => Promise<unknown>;
  changes: QueryKey;
}): JSX.Element {
  return (
    <Action
      run={remove}
      changes={changes}
      kind="small danger"
      confirm={{ title: `Delete ${name}?`, text: warning, button: 'Delete' }}
      done={`${name.replace(/^the /, 'The ')} is deleted.`}
    >
      Delete
    </Action>
  );
}
