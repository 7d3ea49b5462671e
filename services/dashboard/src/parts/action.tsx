import type { QueryKey } from '@tanstack/preact-query';
import type { ComponentChildren, JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { queries } from '../data/client.ts';
import { messageOf } from '../data/session.ts';
import { showToast } from './toast.tsx';

/** A button that does something at the fleet. It is off while that goes on; what went wrong is shown. */
export function Action({
  run,
  changes,
  done,
  confirm,
  children,
  kind = '',
  disabled = false,
}: {
  run: () => Promise<unknown>;
  /** What was read of the fleet and is then read again. */
  changes: QueryKey;
  /** What to say when it is done. */
  done?: string;
  /** Asked before; undefined: it is done at once. */
  confirm?: { title: string; text: string; button: string };
  children: ComponentChildren;
  kind?: '' | 'primary' | 'danger' | 'quiet small' | 'small' | 'small danger';
  disabled?: boolean;
}): JSX.Element {
  const [busy, setBusy] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const act = async () => {
    setBusy(true);
    try {
      await run();
      await queries.invalidateQueries({ queryKey: changes });
      if (done !== undefined) showToast(done);
    } catch (error) {
      showToast(messageOf(error), 'error');
    } finally {
      setBusy(false);
    }
  };
  const onClick = () => (confirm === undefined ? void act() : dialog.current?.showModal());
  return (
    <>
      <button type="button" class={`button ${kind}`} disabled={busy || disabled} onClick={onClick}>
        {children}
      </button>
      {confirm !== undefined && (
        <dialog ref={dialog} class="dialog" aria-label={confirm.title}>
          <form method="dialog" class="stack">
            <h2>{confirm.title}</h2>
            <p class="muted">{confirm.text}</p>
            <div class="row end">
              <button type="submit" class="button">
                Back
              </button>
              <button type="submit" class="button primary" onClick={() => void act()}>
                {confirm.button}
              </button>
            </div>
          </form>
        </dialog>
      )}
    </>
  );
}
