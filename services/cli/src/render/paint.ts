import { stripVTControlCharacters, styleText } from 'node:util';

/** Colours text, or leaves it as it is. */
export type Paint = (style: Parameters<typeof styleText>[0], text: string) => string;

export const noPaint: Paint = (_style, text) => text;

export const paintAlways: Paint = (style, text) => styleText(style, text, { validateStream: false });

const STATE_STYLE: Readonly<Record<string, Parameters<typeof styleText>[0]>> = {
  succeeded: 'green',
  ready: 'green',
  failed: 'red',
  timed_out: 'red',
  lost: 'red',
  gone: 'red',
  not_ready: 'red',
  cancelled: 'yellow',
  draining: 'yellow',
  running: 'cyan',
  preparing: 'cyan',
  claimed: 'cyan',
};

/** A state of a job or a node in its colour. */
export function paintState(paint: Paint, state: string): string {
  const style = STATE_STYLE[state];
  return style === undefined ? state : paint(style, state);
}

/** Columns that a text takes in a terminal, colours not counted; wide characters count as two. */
export function columnsOf(text: string): number {
  let columns = 0;
  for (const { segment } of graphemes.segment(stripVTControlCharacters(text)))
    columns += WIDE.test(segment) ? 2 : 1;
  return columns;
}

const graphemes = new Intl.Segmenter();
const WIDE =
  /\p{Emoji_Presentation}|\p{Script=Han}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Script=Hangul}|[\uff01-\uff60]/u;

/** Cuts a text without colours to so many columns, with an ellipsis. */
export function cut(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    if (columnsOf(kept + segment) > columns - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Fills with spaces up to a width. */
export function padTo(text: string, columns: number, side: 'left' | 'right' = 'right'): string {
  const fill = ' '.repeat(Math.max(0, columns - columnsOf(text)));
  return side === 'left' ? fill + text : text + fill;
}
