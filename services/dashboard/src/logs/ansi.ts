/** A piece of a line with one look. Colours are CSS values; the page's own variables where the terminal leaves the choice. */
export interface Piece {
  readonly text: string;
  readonly look: Look | undefined;
}

/** How a piece looks (ECMA-48, Select Graphic Rendition). */
export interface Look {
  readonly colour?: string | undefined;
  readonly background?: string | undefined;
  readonly bold?: boolean;
  readonly dim?: boolean;
  readonly italic?: boolean;
  readonly underline?: boolean;
  readonly strike?: boolean;
  readonly inverse?: boolean;
}

const ESC = String.fromCharCode(27);
const BEL = String.fromCharCode(7);
const CSI = '\\[([0-9;:?<=>]*)[ -/]*([@-~])';
const OSC = `\\][^${BEL}${ESC}]*(?:${BEL}|${ESC}\\\\)?`;
const SHORT = '[@-Z\\\\^_]|[ -/]+[0-~]';
/** Any escape sequence; those with parameters have them and their final byte in groups. */
const ESCAPE = new RegExp(`${ESC}(?:${CSI}|${OSC}|${SHORT})`, 'g');

/**
 * Splits a line into pieces of text with their looks. Sequences that move the cursor or set titles are left out: a log
 * has no screen.
 */
export function parseAnsi(line: string): Piece[] {
  const text = afterReturns(line);
  if (!text.includes(ESC)) return text === '' ? [] : [{ text, look: undefined }];
  const pieces: Piece[] = [];
  let look: Look | undefined;
  let from = 0;
  for (const match of text.matchAll(ESCAPE)) {
    if (match.index > from) pieces.push({ text: text.slice(from, match.index), look });
    from = match.index + match[0].length;
    if (match[2] === 'm') look = applyCodes(look, match[1] ?? '');
  }
  if (from < text.length) pieces.push({ text: text.slice(from), look });
  return pieces;
}

/** A terminal shows what follows the last carriage return: progress bars overwrite themselves. */
function afterReturns(line: string): string {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  return text.slice(text.lastIndexOf('\r') + 1);
}

function applyCodes(before: Look | undefined, parameters: string): Look | undefined {
  const codes = parameters.split(/[;:]/).map((code) => (code === '' ? 0 : Number(code)));
  let look: Look = before ?? {};
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 38 || code === 48) {
      const { colour, used } = extendedColour(codes.slice(at + 1));
      at += used;
      look = code === 38 ? { ...look, colour } : { ...look, background: colour };
    } else look = applyCode(look, code);
  }
  return Object.values(look).some((value) => value !== undefined && value !== false) ? look : undefined;
}

const ATTRIBUTES: Readonly<Record<number, Look>> = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  22: { bold: false, dim: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { colour: undefined },
  49: { background: undefined },
};

function applyCode(look: Look, code: number): Look {
  if (code === 0) return {};
  if (code >= 30 && code <= 37) return { ...look, colour: named(code - 30) };
  if (code >= 90 && code <= 97) return { ...look, colour: named(code - 90 + 8) };
  if (code >= 40 && code <= 47) return { ...look, background: named(code - 40) };
  if (code >= 100 && code <= 107) return { ...look, background: named(code - 100 + 8) };
  return { ...look, ...ATTRIBUTES[code] };
}

function named(index: number): string {
  return `var(--ansi-${index})`;
}

/** `5;n` of 256 colours, or `2;r;g;b`. `used`: how many codes belong to it. */
function extendedColour(rest: readonly number[]): { colour: string | undefined; used: number } {
  const [kind, ...values] = rest;
  if (kind === 5) return { colour: paletteColour(values[0] ?? 0), used: 2 };
  if (kind === 2) {
    const [r = 0, g = 0, b = 0] = values.map(byte);
    return { colour: `rgb(${r} ${g} ${b})`, used: 4 };
  }
  return { colour: undefined, used: rest.length };
}

function byte(value: number): number {
  return Math.min(255, Math.max(0, Math.trunc(value) || 0));
}

/** 16 named ones, a cube of 6 by 6 by 6, 24 greys. */
function paletteColour(index: number): string | undefined {
  if (!Number.isInteger(index) || index < 0 || index > 255) return undefined;
  if (index < 16) return named(index);
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}
