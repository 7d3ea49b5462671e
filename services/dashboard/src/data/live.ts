import type { LiveMessage, LogExtent } from '@cronium/contracts';
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { client, isSignedOut, queries } from './client.ts';
import { type LinkState, LiveLink, type Want } from './live-link.ts';
import { lookAgain, session } from './session.ts';

export const linkState = signal<LinkState>('connecting');

/** Lists and sums are read again at most this often, whatever the rate of changes. */
const ACTIVITY_MS = 1000;
/** How often everything is looked at while no news come. */
const POLL_MS = 2000;

type LogListener = (log: LogExtent) => void;
const logListeners = new Map<string, Set<LogListener>>();

const link = new LiveLink({
  open: () => new WebSocket(`${window.location.origin.replace(/^http/, 'ws')}/v1/live`),
  probe: async () => {
    try {
      await client.explore.session();
    } catch (error) {
      if (isSignedOut(error)) void lookAgain();
      throw error;
    }
  },
  onState: (state) => {
    linkState.value = state;
    // What changed between a page's own reading and the first subscription, or during a cut, is read here.
    if (state === 'live') void queries.invalidateQueries();
  },
  onMessage: hear,
});

session.subscribe(({ state }) => {
  if (state === 'in') link.start();
  else link.stop();
});
window.addEventListener('online', () => link.hurry());
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') link.hurry();
});

/** News are hints: what changed is read again, so that a page shows the service's own answer and nothing twice. */
function hear(message: LiveMessage): void {
  switch (message.type) {
    case 'job':
      void queries.invalidateQueries({ queryKey: ['job', message.job.id] });
      return;
    case 'batch':
      queries.setQueryData(['batch', message.batch.id], message.batch);
      return;
    case 'workers':
      queries.setQueryData(['workers'], { workers: message.workers });
      return;
    case 'log':
      for (const listener of logListeners.get(logName(message.log)) ?? []) listener(message.log);
      return;
    case 'activity':
      lookSoon();
      return;
    default:
      return;
  }
}

let lookingSoon = false;

function lookSoon(): void {
  if (lookingSoon) return;
  lookingSoon = true;
  setTimeout(() => {
    lookingSoon = false;
    void queries.invalidateQueries({ predicate: ({ meta }) => meta?.activity === true });
  }, ACTIVITY_MS);
}

/** Marks a query that is read again when any job changed. */
export const onActivity = { meta: { activity: true } } as const;

/** Hears of something while the component is there. */
export function useLive(want: Want): void {
  const name = JSON.stringify(want);
  useEffect(() => link.want(JSON.parse(name) as Want), [name]);
}

function logName({ job, attempt }: { job: string; attempt: number }): string {
  return `${job}.${attempt}`;
}

/** Hears how far an attempt's log is stored, until the result is called. */
export function followLog(of: { job: string; attempt: number }, listener: LogListener): () => void {
  const name = logName(of);
  const own = logListeners.get(name) ?? new Set();
  own.add(listener);
  logListeners.set(name, own);
  const unwant = link.want({ logs: [of] });
  return () => {
    unwant();
    own.delete(listener);
    if (own.size === 0) logListeners.delete(name);
  };
}

/** How often a query is read without news: only while they do not come. */
export function pollMs(): number | false {
  return linkState.value === 'live' ? false : POLL_MS;
}
