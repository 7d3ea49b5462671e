import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

const TYPING_MS = 300;

/** A text filter: it counts when the person pauses, and follows the address when that changes. */
export function Typed({
  label,
  name,
  query,
  onChange,
  isRight = () => true,
}: {
  label: string;
  name: string;
  query: URLSearchParams;
  onChange: (value: string) => void;
  isRight?: (value: string) => boolean;
}): JSX.Element {
  const given = query.get(name) ?? '';
  const [text, setText] = useState(given);
  useEffect(() => setText(given), [given]);
  useEffect(() => {
    if (text === given || !isRight(text)) return;
    const timer = setTimeout(() => onChange(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <label class="field">
      {label}
      <input
        class="input"
        type="search"
        value={text}
        aria-invalid={!isRight(text)}
        onInput={({ currentTarget }) => setText(currentTarget.value)}
      />
    </label>
  );
}
