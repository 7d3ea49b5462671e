import type { JobView } from '@cronium/contracts';
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { compact } from '../format/numbers.ts';
import { AttemptChoice } from '../jobs/asked-attempt.tsx';
import { Icon } from '../parts/icons.tsx';
import type { LogChoices } from './log-view.tsx';
import type { Found, Stream } from './use-matches.ts';

interface LogToolsProps {
  readonly job: JobView;
  readonly attempt: number;
  readonly choices: LogChoices;
  choose(choices: LogChoices): void;
  readonly found: Found | undefined;
  goToLine(line: number): void;
  readonly following: boolean;
  follow(on: boolean): void;
  /** The first line in sight: the search goes on from there. */
  readonly topLine: number;
}

/** Which part of the log to see, and where to go in it. */
export function LogTools(props: LogToolsProps): JSX.Element {
  const { job, attempt, choices, choose, following, follow } = props;
  return (
    <div class="log-tools" role="toolbar" aria-label="Log">
      <AttemptChoice job={job} attempt={attempt} />
      <select
        class="input"
        aria-label="Stream"
        value={choices.stream ?? ''}
        onChange={({ currentTarget }) => choose({ ...choices, stream: streamOf(currentTarget.value) })}
      >
        <option value="">Both streams</option>
        <option value="stdout">stdout</option>
        <option value="stderr">stderr</option>
        <option value="fleet">Notices</option>
      </select>
      <SearchBox {...props} />
      <span class="grow" />
      <button
        type="button"
        class="button"
        aria-pressed={choices.times}
        onClick={() => choose({ ...choices, times: !choices.times })}
      >
        <Icon name="queued" />
        Times
      </button>
      <button type="button" class="button" aria-pressed={following} onClick={() => follow(!following)}>
        <Icon name="follow" />
        Follow
      </button>
      <a
        class="button"
        href={`/v1/jobs/${job.id}/logs?attempt=${attempt}`}
        download={`${job.id}.${attempt}.log`}
      >
        <Icon name="download" />
        Download
      </a>
    </div>
  );
}

function streamOf(value: string): Stream | undefined {
  return value === 'stdout' || value === 'stderr' || value === 'fleet' ? value : undefined;
}

function SearchBox({ choices, choose, found, goToLine, topLine }: LogToolsProps): JSX.Element {
  const box = useRef<HTMLInputElement>(null);
  const current = useRef(0);
  useSlashKey(() => box.current?.focus());
  const step = (by: 1 | -1) => {
    if (found === undefined || found.lines.length === 0) return;
    const { lines } = found;
    const before =
      current.current > 0 ? lines.rowOf(current.current) : lines.rowOf(topLine) - (by > 0 ? 1 : 0);
    const row = (before + by + lines.length) % lines.length;
    current.current = lines.lineAt(row);
    goToLine(current.current);
  };
  return (
    <search class="log-search">
      <input
        ref={box}
        class="input"
        type="search"
        placeholder="Search the log ( / )"
        aria-label="Search the log"
        value={choices.text}
        onInput={({ currentTarget }) => {
          current.current = 0;
          choose({ ...choices, text: currentTarget.value });
        }}
        onKeyDown={(event) => {
          if (event.key === 'Enter') step(event.shiftKey ? -1 : 1);
        }}
      />
      {found !== undefined && (
        <>
          <span class="muted number log-found" role="status">
            {compact(found.lines.length)}
            {found.searching ? '…' : ''} {found.lines.length === 1 ? 'line' : 'lines'}
          </span>
          <button
            type="button"
            class="button quiet small"
            aria-label="Previous match"
            onClick={() => step(-1)}
          >
            <Icon name="up" />
          </button>
          <button type="button" class="button quiet small" aria-label="Next match" onClick={() => step(1)}>
            <Icon name="down" />
          </button>
          <button
            type="button"
            class="button small"
            aria-pressed={choices.onlyMatches}
            onClick={() => choose({ ...choices, onlyMatches: !choices.onlyMatches })}
          >
            Only these
          </button>
        </>
      )}
    </search>
  );
}

/** `/` leads to the search, unless the person is typing. */
function useSlashKey(focus: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}
