import type { z } from 'zod';

/** What is wrong with a JSON text. */
export type JsonErrorCode =
  | 'JSON_SYNTAX'
  | 'JSON_TOO_DEEP'
  | 'JSON_TOO_MANY'
  | 'JSON_DUPLICATE_KEY'
  | 'JSON_PROTO_KEY'
  | 'JSON_ENCODING';

/** Thrown when a text is not JSON, or is JSON that this project does not take; the message is safe to show. */
export class JsonSyntaxError extends SyntaxError {
  override readonly name = 'JsonSyntaxError';
  readonly code: JsonErrorCode;
  /** Where in the document, such as `jobs[2].env.A`; empty when that is not known. */
  readonly path: string;

  constructor(
    code: JsonErrorCode,
    message: string,
    { path = '', cause }: { path?: string; cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.path = path;
  }
}

/** How {@link parseJson} reads. */
export interface ParseJsonOptions {
  /** How many arrays and objects may stand inside one another. Default 64. */
  readonly maxDepth?: number;
  /** How many values there may be, empty ones too: parsed, the smallest takes fifty times its bytes. Default: any. */
  readonly maxValues?: number;
}

const DEFAULT_MAX_DEPTH = 64;
const LONGEST_NAMED_KEY = 100;
const MOST_KEYS_IN_A_LIST = 16;

/**
 * `JSON.parse` for texts of strangers. Refuses what `JSON.parse` lets through and what then means something else to
 * different readers, or breaks them: nesting deeper than `maxDepth`, more values than `maxValues`, a key that stands twice
 * in one object, and the key `__proto__`. One pass without recursion checks that before the text is parsed.
 * @throws JsonSyntaxError
 */
export function parseJson(
  text: string,
  { maxDepth = DEFAULT_MAX_DEPTH, maxValues = Number.POSITIVE_INFINITY }: ParseJsonOptions = {},
): unknown {
  scan(text, { maxDepth, maxValues });
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new JsonSyntaxError('JSON_SYNTAX', `not valid JSON: ${why}`, { cause: error });
  }
}

/**
 * Reads what another process of the fleet wrote, such as a record in Valkey. `undefined` when it is not of the schema: a
 * text that is corrupt, or of another version, must not fail whoever comes across it.
 * @param parse makes a value of the text
 */
export function readRecord<T>(
  schema: z.ZodType<T>,
  text: string,
  parse: (text: string) => unknown = JSON.parse,
): T | undefined {
  let value: unknown;
  try {
    value = parse(text);
  } catch {
    return undefined;
  }
  return schema.safeParse(value).data;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * {@link parseJson} of bytes, which must be UTF-8.
 * @throws JsonSyntaxError
 */
export function parseJsonBytes(bytes: Uint8Array, options?: ParseJsonOptions): unknown {
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch (error) {
    throw new JsonSyntaxError('JSON_ENCODING', 'not valid UTF-8', { cause: error });
  }
  return parseJson(text, options);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** An array or object that is open at some point of the scan. */
interface Frame {
  /** The key or index at which the scan stands. */
  at: string | number;
  /** An object's keys so far. Most objects have few, so that a set would cost more than it saves. */
  keys: string[] | Set<string> | undefined;
}

/**
 * Looks at structure alone and trusts `JSON.parse` to refuse what isn't JSON: on such texts it may miss things, but it
 * never throws anything but a {@link JsonSyntaxError} and always ends.
 */
function scan(text: string, { maxDepth, maxValues }: Required<ParseJsonOptions>): void {
  const open: Frame[] = [];
  let values = 0;
  let top: Frame | undefined;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case QUOTE: {
        const end = endOfString(text, i);
        if (typeof top?.at === 'string' && isKey(text, end)) enterKey(top, open, text.slice(i, end), i);
        i = end - 1;
        break;
      }
      case OPEN_BRACE:
      case OPEN_BRACKET:
        if (open.length >= maxDepth) throw tooDeep(open, maxDepth, i);
        top = { at: text.charCodeAt(i) === OPEN_BRACE ? '' : 0, keys: undefined };
        open.push(top);
        if (++values > maxValues) throw tooMany(maxValues);
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        open.pop();
        top = open.at(-1);
        break;
      case COMMA:
        if (typeof top?.at === 'number') top.at += 1;
        if (++values > maxValues) throw tooMany(maxValues);
        break;
    }
  }
}

/** The position after the closing quote of the string that begins here; the text's end when there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end + 1;
  }
  return text.length;
}

/** Does a colon follow, after white space? */
function isKey(text: string, position: number): boolean {
  let i = position;
  for (
    let code = text.charCodeAt(i);
    code === 0x20 || (code >= 0x09 && code <= 0x0d);
    code = text.charCodeAt(++i)
  );
  return text.charCodeAt(i) === COLON;
}

function enterKey(top: Frame, open: readonly Frame[], quoted: string, position: number): void {
  const key = unquote(quoted);
  top.at = key;
  if (!isNew(top, key)) {
    throw new JsonSyntaxError(
      'JSON_DUPLICATE_KEY',
      `the key ${shown(key)} stands twice in one object, the second time at position ${position}`,
      {
        path: pathOf(open),
      },
    );
  }
  if (key === '__proto__') {
    throw new JsonSyntaxError('JSON_PROTO_KEY', `the key "__proto__" is not allowed (position ${position})`, {
      path: pathOf(open),
    });
  }
}

/** Notes a key; false when it is known already. */
function isNew(frame: Frame, key: string): boolean {
  if (frame.keys === undefined) {
    frame.keys = [key];
    return true;
  }
  if (frame.keys instanceof Set) {
    const before = frame.keys.size;
    return frame.keys.add(key).size > before;
  }
  if (frame.keys.includes(key)) return false;
  frame.keys.push(key);
  if (frame.keys.length > MOST_KEYS_IN_A_LIST) frame.keys = new Set(frame.keys);
  return true;
}

/** Keys are compared by what they mean: `"a"` and `"\u0061"` are the same key. */
function unquote(quoted: string): string {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return String(JSON.parse(quoted));
  } catch {
    // Not a string that JSON.parse takes: it will say so itself when it gets the whole text.
    return quoted;
  }
}

function tooDeep(open: readonly Frame[], maxDepth: number, position: number): JsonSyntaxError {
  return new JsonSyntaxError(
    'JSON_TOO_DEEP',
    `nested deeper than ${maxDepth} levels at position ${position}`,
    { path: pathOf(open.slice(0, 4)) },
  );
}

function tooMany(maxValues: number): JsonSyntaxError {
  return new JsonSyntaxError('JSON_TOO_MANY', `more than ${maxValues} values; send fewer at a time`);
}

function pathOf(open: readonly Frame[]): string {
  return open.reduce((path, { at }) => {
    if (typeof at === 'number') return `${path}[${at}]`;
    const key = at.length > LONGEST_NAMED_KEY ? `${at.slice(0, LONGEST_NAMED_KEY)}…` : at;
    return path === '' ? key : `${path}.${key}`;
  }, '');
}

function shown(key: string): string {
  return JSON.stringify(key.length > LONGEST_NAMED_KEY ? `${key.slice(0, LONGEST_NAMED_KEY)}…` : key);
}
