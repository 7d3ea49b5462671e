import { CroniumApiError } from '@cronium/client';
import type { SessionView } from '@cronium/contracts';
import { signal } from '@preact/signals';
import { client, isSignedOut, queries } from './client.ts';

/** Who looks at the page. */
export type Session =
  | { readonly state: 'unknown' }
  | { readonly state: 'out'; readonly problem?: string }
  | { readonly state: 'in'; readonly who: SessionView }
  | { readonly state: 'away'; readonly problem: string };

export const session = signal<Session>({ state: 'unknown' });

/** Signs in with the key behind `#key=`, which never leaves the browser in an address, or with the cookie of before. */
export async function openSession(): Promise<void> {
  const key = new URLSearchParams(window.location.hash.slice(1)).get('key');
  if (key === null) return lookAgain();
  window.history.replaceState(null, '', window.location.pathname + window.location.search);
  await signIn(key);
}

/** Asks the service who is signed in. */
export async function lookAgain(): Promise<void> {
  try {
    session.value = { state: 'in', who: await client.explore.session() };
  } catch (error) {
    session.value = isSignedOut(error) ? { state: 'out' } : { state: 'away', problem: messageOf(error) };
  }
}

/** Signs in with an API key. What went wrong stands in {@link session}. */
export async function signIn(key: string): Promise<void> {
  const problem = await sendKey(key);
  if (problem === undefined) {
    queries.clear();
    return lookAgain();
  }
  session.value = { state: 'out', problem };
}

async function sendKey(key: string): Promise<string | undefined> {
  try {
    const response = await fetch('/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key }),
    });
    if (response.ok) return undefined;
    return response.status === 401
      ? 'This fleet does not know that key. Check it for missing characters, or ask an admin for a new one.'
      : `The results service answered ${response.status}. Try again.`;
  } catch {
    return 'The results service cannot be reached. Check that it runs, then try again.';
  }
}

export async function signOut(): Promise<void> {
  await fetch('/session', { method: 'DELETE' });
  queries.clear();
  session.value = { state: 'out' };
}

/** May the one who is signed in do what needs a role? */
export function mayAct(role: 'submitter' | 'admin'): boolean {
  const current = session.value;
  if (current.state !== 'in') return false;
  return current.who.role === 'admin' || (role === 'submitter' && current.who.role === 'submitter');
}

/** What an error says to a person. */
export function messageOf(error: unknown): string {
  if (error instanceof CroniumApiError) return error.problem.detail ?? error.problem.title;
  return error instanceof Error ? error.message : String(error);
}
