import type { JSX } from 'preact';
import { Copy } from './copy.tsx';

/** A value as indented JSON, as text. */
export function JsonText({ value, what }: { value: unknown; what: string }): JSX.Element {
  const text = JSON.stringify(value, null, 2);
  return (
    <div class="json-text">
      <div class="json-copy">
        <Copy text={text} what={what} />
      </div>
      <section class="code" tabIndex={0} aria-label={`JSON of ${what}`}>
        {text}
      </section>
    </div>
  );
}
