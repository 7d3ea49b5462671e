import {
  type FieldError,
  fieldErrors,
  JsonSyntaxError,
  type ParseJsonOptions,
  parseJsonBytes,
} from '@cronium/contracts';
import type { z } from 'zod';
import { commonProblems } from './problems.ts';

const LONGEST_NAME = 100;

/**
 * A body's bytes as JSON.
 * @throws HttpProblem 400 when they are not JSON that this project takes
 */
export function decodeJson(bytes: Uint8Array, options?: ParseJsonOptions): unknown {
  if (bytes.length === 0) throw commonProblems.badBody('The body is empty; send a JSON document.');
  try {
    return parseJsonBytes(bytes, options);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw commonProblems.wrongFields([{ path: error.path, message: error.message }]);
  }
}

/**
 * Reads a URL's query by a strict schema: unknown parameters are wrong. One that stands several times comes as an array.
 * @throws HttpProblem 400, naming every wrong parameter
 */
export function readQuery<T>(url: string, schema: z.ZodType<T>): T {
  const { searchParams } = new URL(url);
  const names = [...new Set(searchParams.keys())];
  const given = names.map((name) => [name, searchParams.getAll(name)] as const);
  const repeated = new Set(given.flatMap(([name, values]) => (values.length > 1 ? [name] : [])));
  const result = schema.safeParse(
    Object.fromEntries(given.map(([name, values]) => [name, repeated.has(name) ? values : values[0]])),
  );
  if (result.success) return result.data;
  const errors = fieldErrors(result.error).map(
    ({ path, message }): FieldError => ({
      path: path.slice(0, LONGEST_NAME),
      message: repeated.has(path) && message !== 'unknown field' ? 'stands more than once' : message,
    }),
  );
  throw commonProblems.badQuery(errors);
}
