import { fieldErrors } from '@cronium/contracts';
import type { Context } from 'hono';
import type { z } from 'zod';
import { problems } from './problems.ts';

/** The deepest nesting of arrays and objects that a body may have. */
const MAX_DEPTH = 200;

/**
 * Reads a body of at most `limit` bytes; stops reading, with 413, as soon as it is longer.
 */
export async function readBody(c: Context, limit: number): Promise<Buffer> {
  const declared = Number(c.req.header('content-length') ?? 0);
  if (declared > limit) throw problems.tooLarge(`The body may have ${limit} bytes.`);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of c.req.raw.body ?? []) {
    length += part.length;
    if (length > limit) throw problems.tooLarge(`The body may have ${limit} bytes.`);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

/** Reads a JSON body by its schema. 400 when it is not JSON, 422-like field errors when it is not right. */
export async function readJson<T>(c: Context, schema: z.ZodType<T>, limit: number): Promise<T> {
  return parseJson(await readBody(c, limit), schema);
}

/** Parses bytes as JSON by a schema. */
export function parseJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): T {
  const value = decodeJson(bytes);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = fieldErrors(result.error).slice(0, 100);
  throw problems.badBody(
    errors
      .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
      .join('; ')
      .slice(0, 1000),
    errors,
  );
}

/** @throws HttpProblem 400 when the bytes are not JSON in UTF-8 of a reasonable depth */
export function decodeJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw problems.badBody('The body is empty; it must be JSON.');
  if (isTooDeep(bytes)) throw problems.badBody(`The JSON is nested more than ${MAX_DEPTH} levels deep.`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : 'it is not UTF-8';
    throw problems.badBody(`The body is not JSON: ${why.slice(0, 300)}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);

/** Counts brackets outside of strings, so that nothing recursive ever sees a million of them. */
function isTooDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (OPEN.has(byte)) {
      depth += 1;
      if (depth > MAX_DEPTH) return true;
    } else if (CLOSE.has(byte)) depth -= 1;
  }
  return false;
}

/** Parses the query by a schema; every wrong parameter is named. Unknown parameters are wrong too. */
export function readQuery<T>(c: Context, schema: z.ZodType<T>): T {
  const query: Record<string, string | string[]> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    query[name] = values.length === 1 ? (values[0] ?? '') : values;
  }
  const result = schema.safeParse(query);
  if (result.success) return result.data;
  throw problems.badQuery(fieldErrors(result.error).slice(0, 100));
}
