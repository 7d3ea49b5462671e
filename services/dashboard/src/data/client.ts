import { CroniumApiError, CroniumClient } from '@cronium/client';
import { QueryClient } from '@tanstack/preact-query';

const here = window.location.origin;

/** The fleet, through the results service that serves this page. The session's cookie says who asks. */
export const client = new CroniumClient({
  producerUrl: here,
  resultsUrl: here,
  attempts: 3,
  timeoutMs: 20_000,
});

/** What was read from the fleet, shared by all parts of the page. The client itself repeats what may be repeated. */
export const queries = new QueryClient({
  defaultOptions: { queries: { retry: false, staleTime: 1000, gcTime: 120_000, networkMode: 'always' } },
});

/** Nobody is signed in, or the key was taken back. */
export function isSignedOut(error: unknown): boolean {
  return error instanceof CroniumApiError && error.status === 401;
}

export function isMissing(error: unknown): boolean {
  return error instanceof CroniumApiError && error.status === 404;
}
