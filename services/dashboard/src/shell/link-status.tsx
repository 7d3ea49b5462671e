import type { JSX } from 'preact';
import { linkState } from '../data/live.ts';

const TEXTS = {
  connecting: ['Connecting', 'The page is not live yet.'],
  live: ['Live', 'Everything on this page moves by itself.'],
  reconnecting: ['Reconnecting…', 'The connection was cut. What was missed comes when it is back.'],
  polling: ['Polling', 'WebSockets are blocked on the way; the page asks every 2 s instead.'],
} as const;

/** Whether the page is live. */
export function LinkStatus(): JSX.Element {
  const state = linkState.value;
  const [label, title] = TEXTS[state];
  return (
    <div class="link-state" data-state={state} role="status" title={title}>
      <span class="dot" />
      {label}
    </div>
  );
}
