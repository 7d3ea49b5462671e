import type { LogLine } from '@cronium/contracts';
import type { JSX } from 'preact';
import { momentMs } from '../format/time.ts';
import { type Look, parseAnsi } from './ansi.ts';

/** Longer lines are cut on the page; the download has them whole. */
const LONGEST = 20_000;

/** A line of a log, as text whatever it holds. `line` is undefined while it is read. */
export function LogRow({
  number,
  line,
  selected,
  times,
  needle,
  href,
}: {
  number: number;
  line: LogLine | undefined;
  selected: boolean;
  times: boolean;
  needle: string;
  href: string;
}): JSX.Element {
  return (
    <div class="log-row" data-stream={line?.stream} data-selected={selected}>
      <a class="log-number" href={href} aria-label={`Line ${number}`} tabIndex={-1}>
        {number}
      </a>
      {times && <span class="log-time">{line === undefined ? '' : momentMs(Date.parse(line.time))}</span>}
      {line === undefined ? <span class="log-missing" /> : <LineText text={line.text} needle={needle} />}
    </div>
  );
}

function LineText({ text, needle }: { text: string; needle: string }): JSX.Element {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return (
    <span class="log-text">
      {parseAnsi(shown).map((piece, index) =>
        piece.look === undefined ? (
          marked(piece.text, needle)
        ) : (
          <span key={index} class={classOf(piece.look)} style={styleOf(piece.look)}>
            {marked(piece.text, needle)}
          </span>
        ),
      )}
    </span>
  );
}

/** The text with what was searched for marked. */
function marked(text: string, needle: string): (string | JSX.Element)[] {
  if (needle === '') return [text];
  const parts: (string | JSX.Element)[] = [];
  const lower = text.toLowerCase();
  let from = 0;
  // Lower case may be longer for a few letters; then nothing is marked rather than the wrong place.
  if (lower.length !== text.length) return [text];
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + needle.length)}</mark>);
    from = at + needle.length;
  }
  parts.push(text.slice(from));
  return parts;
}

function classOf({ bold, dim, italic, underline, strike }: Look): string {
  return [bold && 'b', dim && 'd', italic && 'i', underline && 'u', strike && 's'].filter(Boolean).join(' ');
}

function styleOf({ colour, background, inverse }: Look): Record<string, string | undefined> {
  if (inverse !== true) return { color: colour, background };
  return { color: background ?? 'var(--log-page)', background: colour ?? 'var(--log-text)' };
}
