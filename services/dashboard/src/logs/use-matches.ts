import { useEffect, useState } from 'preact/hooks';
import { client } from '../data/client.ts';
import { LineRuns } from './line-runs.ts';

export type Stream = 'stdout' | 'stderr' | 'fleet';

/** What to look for; undefined: nothing. */
export interface Search {
  readonly stream: Stream | undefined;
  readonly text: string;
}

/** What a search found so far. */
export interface Found {
  readonly lines: LineRuns;
  /** Counts the answers, since {@link lines} grows in place. */
  readonly answers: number;
  readonly searching: boolean;
  readonly problem?: unknown;
}

const TYPING_MS = 200;
/** A log that grows is searched on this often at most. */
const GROWTH_MS = 700;

/** Searches a log at the service, piece by piece, and goes on as the log grows. */
export function useMatches(
  of: { job: string; attempt: number; lines: number },
  search: Search | undefined,
): Found | undefined {
  const [found, setFound] = useState<Found & { readonly name: string; readonly searched: number }>();
  const name = search === undefined ? undefined : JSON.stringify([of.job, of.attempt, search]);
  const own = found !== undefined && found.name === name ? found : undefined;
  const searched = own?.searched ?? 0;
  useEffect(() => {
    if (name === undefined || search === undefined || (own !== undefined && searched >= of.lines)) return;
    const abort = new AbortController();
    const begin = own ?? { name, lines: new LineRuns(), answers: 0, searched: 0, searching: true };
    const waitMs = own === undefined ? TYPING_MS : own.searching ? 0 : GROWTH_MS;
    const timer = setTimeout(() => {
      const options = { ...search, attempt: of.attempt, after: begin.searched, signal: abort.signal };
      client.explore.logMatches(of.job, options).then(
        (answer) => {
          if (abort.signal.aborted) return;
          begin.lines.append(answer.runs);
          setFound({
            ...begin,
            answers: begin.answers + 1,
            searched: answer.searched,
            searching: !answer.complete && answer.searched < of.lines,
          });
        },
        (problem: unknown) => {
          if (!abort.signal.aborted) setFound({ ...begin, searching: false, problem });
        },
      );
    }, waitMs);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
    // A growing log must not begin the same search anew: its length counts only when the last answer was whole.
  }, [name, searched, own?.searching === true ? 0 : Math.max(searched, of.lines) > searched, own?.answers]);
  if (name === undefined) return undefined;
  return own ?? { lines: new LineRuns(), answers: 0, searching: true };
}
