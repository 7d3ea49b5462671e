import type { JobView } from '@cronium/contracts';
import { isTerminal } from '@cronium/contracts/states';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useAddressQuery } from '../data/address.ts';
import { client } from '../data/client.ts';
import { messageOf } from '../data/session.ts';
import { useAskedAttempt } from '../jobs/asked-attempt.tsx';
import { Empty } from '../parts/notices.tsx';
import { showToast } from '../parts/toast.tsx';
import { allLines, type Rows } from './line-runs.ts';
import { LogFoot } from './log-foot.tsx';
import { LogRow } from './log-row.tsx';
import { LogTools } from './log-tools.tsx';
import { type Extent, useExtent } from './use-extent.ts';
import { useLines } from './use-lines.ts';
import { type Found, type Stream, useMatches } from './use-matches.ts';
import { useRowsWindow } from './use-rows-window.ts';

const ROW_HEIGHT = 20;
const OVERSCAN = 12;

/** A job's log: live, searchable, however long. */
export function LogView({ job }: { job: JobView }): JSX.Element {
  const attempt = useAskedAttempt(job);
  const extent = useExtent(job, attempt);
  useMoment(job, attempt);
  if (extent.lines === 0) return <NoLines job={job} attempt={attempt} extent={extent} />;
  return <Log key={attempt} job={job} attempt={attempt} extent={extent} />;
}

/** `at=` leads to the line of that moment: from a span of a trace, for one. */
function useMoment(job: JobView, attempt: number): void {
  const { query, set } = useAddressQuery();
  const at = Number(query.get('at') ?? Number.NaN);
  useEffect(() => {
    if (Number.isNaN(at)) return;
    const abort = new AbortController();
    client.explore.logLineAt(job.id, { attempt, at, signal: abort.signal }).then(
      ({ line }) => set({ at: undefined, line: line === 0 ? undefined : String(line) }),
      (error: unknown) => {
        if (!abort.signal.aborted) showToast(messageOf(error), 'error');
      },
    );
    return () => abort.abort();
  }, [job.id, attempt, at]);
}

function NoLines({ job, attempt, extent }: { job: JobView; attempt: number; extent: Extent }): JSX.Element {
  const own = job.attemptList.find((one) => one.attempt === attempt);
  const over = extent.complete || (own !== undefined && own.endedAt !== null) || isTerminal(job.state);
  return over ? (
    <Empty title="The job wrote nothing">
      <p>Neither to its standard output nor to its standard error.</p>
    </Empty>
  ) : (
    <Empty title="No lines yet">
      <p>They appear here as the job writes them.</p>
    </Empty>
  );
}

interface LogProps {
  readonly job: JobView;
  readonly attempt: number;
  readonly extent: Extent;
}

/** What the person chose to see of the log. */
export interface LogChoices {
  readonly text: string;
  readonly stream: Stream | undefined;
  readonly onlyMatches: boolean;
  readonly times: boolean;
}

function Log({ job, attempt, extent }: LogProps): JSX.Element {
  const { query, href } = useAddressQuery();
  const selected = Number(query.get('line') ?? 0);
  const [choices, choose] = useState<LogChoices>({
    text: query.get('find') ?? '',
    stream: undefined,
    onlyMatches: false,
    times: false,
  });
  const [following, follow] = useState(selected === 0 && !extent.complete);
  const { rows, found } = useShownRows({ job, attempt, extent }, choices);
  const scroller = useRef<HTMLElement>(null);
  const frame = useRowsWindow(scroller, { rows: rows.length, rowHeight: ROW_HEIGHT, stick: following });
  const lines = useLines(job.id, attempt);

  const first = Math.max(0, frame.first - OVERSCAN);
  const last = Math.min(rows.length - 1, frame.last + OVERSCAN);
  useEffect(() => {
    if (last >= first) lines.want(rows.lineAt(first), rows.lineAt(last));
  }, [lines, first, last, rows.lineAt(first), rows.lineAt(last)]);
  useEffect(() => {
    if (selected > 0) frame.scrollToRow(rows.rowOf(selected));
  }, [selected, attempt]);
  useEffect(() => {
    if (extent.complete && following && frame.atEnd) frame.scrollToEnd();
  }, [extent.complete]);

  const goToLine = (line: number) => {
    follow(false);
    frame.scrollToRow(rows.rowOf(line));
  };
  const onScroll = () => {
    const before = scroller.current?.scrollTop ?? 0;
    frame.onScroll();
    const element = scroller.current;
    if (element === null) return;
    const atEnd = before + element.clientHeight >= element.scrollHeight - ROW_HEIGHT;
    if (following !== atEnd) follow(atEnd);
  };
  const shown = Array.from(
    { length: Math.max(0, last - frame.first + 1) },
    (_, index) => frame.first + index,
  );
  const needle = choices.text.toLowerCase();
  return (
    <div class="log">
      <LogTools
        job={job}
        attempt={attempt}
        choices={choices}
        choose={choose}
        found={found}
        goToLine={goToLine}
        following={following}
        follow={(on) => {
          follow(on);
          if (on) frame.scrollToEnd();
        }}
        topLine={rows.length === 0 ? 0 : rows.lineAt(frame.first)}
      />
      <section
        class="log-scroller"
        ref={scroller}
        tabIndex={0}
        aria-label={`Log of attempt ${attempt}, ${extent.lines} lines`}
        onScroll={onScroll}
      >
        <div class="log-content" style={{ height: `${frame.contentHeight}px` }}>
          <div class="log-layer" style={{ height: `${frame.view}px` }}>
            <div style={{ transform: `translateY(${-frame.shift}px)` }}>
              {shown.map((row) => {
                const number = rows.lineAt(row);
                return (
                  <LogRow
                    key={number}
                    number={number}
                    line={lines.get(number)}
                    selected={number === selected}
                    times={choices.times}
                    needle={needle}
                    href={href({ line: String(number), attempt: String(attempt) })}
                  />
                );
              })}
            </div>
          </div>
        </div>
      </section>
      <LogFoot job={job} extent={extent} rows={rows} problem={lines.problem} />
    </div>
  );
}

/** The rows that the choices leave, and what the search found among them. */
function useShownRows(
  { job, attempt, extent }: LogProps,
  { text, stream, onlyMatches }: LogChoices,
): { rows: Rows; found: Found | undefined } {
  const of = { job: job.id, attempt, lines: extent.lines };
  const found = useMatches(of, text === '' ? undefined : { stream, text });
  const ofStream = useMatches(of, stream === undefined ? undefined : { stream, text: '' });
  if (text !== '' && onlyMatches && found !== undefined) return { rows: found.lines, found };
  return { rows: ofStream?.lines ?? allLines(extent.lines), found };
}
