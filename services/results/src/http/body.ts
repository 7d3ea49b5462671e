import { fieldErrors, JsonSyntaxError, parseJsonBytes } from '@cronium/contracts';
import type { Context } from 'hono';
import { z } from 'zod';
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

/** @throws HttpProblem 400 when the bytes are not JSON that this project takes */
export function decodeJson(bytes: Uint8Array): unknown {
  if (bytes.length === 0) throw problems.badBody('The body is empty; it must be JSON.');
  try {
    return parseJsonBytes(bytes, { maxDepth: MAX_DEPTH });
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    const { path, message } = error;
    throw problems.badBody(message, [{ path, message }]);
  }
}

/** For what takes no parameters. */
export const NO_QUERY = z.strictObject({});

/** Parses the query by a schema; every wrong parameter is named. Unknown parameters are wrong too. */
export function readQuery<T>(c: Context, schema: z.ZodType<T>): T {
  const { searchParams } = new URL(c.req.url);
  const query = Object.fromEntries(
    [...new Set(searchParams.keys())].map((name) => {
      const values = searchParams.getAll(name);
      return [name, values.length === 1 ? values[0] : values];
    }),
  );
  const result = schema.safeParse(query);
  if (result.success) return result.data;
  throw problems.badQuery(fieldErrors(result.error).slice(0, 100));
}
