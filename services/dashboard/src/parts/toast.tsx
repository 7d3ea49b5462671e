import { signal } from '@preact/signals';
import type { JSX } from 'preact';

const shown = signal<{ readonly text: string; readonly kind: 'done' | 'error' } | undefined>(undefined);
const SHOWN_MS = 6000;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Says something for a few seconds, to readers too. */
export function showToast(text: string, kind: 'done' | 'error' = 'done'): void {
  shown.value = { text, kind };
  clearTimeout(timer);
  timer = setTimeout(() => {
    shown.value = undefined;
  }, SHOWN_MS);
}

export function Toast(): JSX.Element {
  const { value } = shown;
  return (
    <div aria-live="polite">
      {value !== undefined && (
        <div class={`toast ${value.kind}`}>
          {value.kind === 'error' && <strong style={{ color: 'var(--failed)' }}>It did not work. </strong>}
          {value.text}
        </div>
      )}
    </div>
  );
}
