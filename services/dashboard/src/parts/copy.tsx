import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Icon } from './icons.tsx';

const SHOWN_MS = 1500;

/** Copies a text; says so for a moment. */
export function Copy({ text, what }: { text: string; what: string }): JSX.Element {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), SHOWN_MS);
  };
  return (
    <button
      type="button"
      class="button quiet small"
      onClick={() => void copy()}
      aria-label={done ? 'Copied' : `Copy ${what}`}
      title={`Copy ${what}`}
    >
      <Icon name={done ? 'done' : 'copy'} />
    </button>
  );
}
