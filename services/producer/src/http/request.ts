import { type FieldError, fieldErrors, JsonSyntaxError, parseJsonBytes } from '@cronium/contracts';
import type { Context } from 'hono';
import { z } from 'zod';
import type { AppEnv, Services } from '../app-env.ts';
import { problems } from '../problems.ts';
import { openBody, readWhole, refuseDeclaredLength } from './body.ts';

export type AppContext = Context<AppEnv>;

/** The media type of the request, without parameters; refuses a charset other than UTF-8. */
export function mediaType(context: AppContext, accepted: readonly string[]): string {
  const header = context.req.header('content-type');
  const [type = '', ...parameters] = (header ?? '').split(';').map((part) => part.trim().toLowerCase());
  if (!accepted.includes(type)) {
    const got =
      header === undefined
        ? 'The request has no Content-Type'
        : `Content-Type ${JSON.stringify(header.slice(0, 100))} is not known here`;
    throw problems.mediaType(`${got}; use ${accepted.join(' or ')}.`);
  }
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length);
  if (charset !== undefined && !['utf-8', 'utf8', '"utf-8"'].includes(charset))
    throw problems.mediaType(`JSON is UTF-8, not ${charset}.`);
  return type;
}

/**
 * Reads a JSON body whole, and hands it to a function while it counts against the memory that bodies may hold.
 * @throws HttpProblem when it is empty, too long, too slow, or not JSON
 */
export async function withJsonBody<T>(
  context: AppContext,
  services: Services,
  { maxBytes, run }: { maxBytes: number; run: (value: unknown) => Promise<T> },
): Promise<T> {
  const { headers } = context.req.raw;
  refuseDeclaredLength(headers, maxBytes);
  const { limits, budget, stopping: signal } = services;
  const bytes = openBody(context.req.raw, { idleMs: limits.idleMs, inflatedBytes: maxBytes, signal });
  const { body, held } = await readWhole(bytes, { maxBytes, withinMs: limits.bodyMs, budget });
  using _held = held;
  if (body.length === 0) throw problems.badBody('The body is empty; send a JSON document.');
  return await run(parseBody(body));
}

function parseBody(body: Uint8Array): unknown {
  try {
    return parseJsonBytes(body);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    const at: FieldError = { path: error.path, message: error.message.slice(0, 300) };
    throw problems.badBody(at.path === '' ? `${at.message}.` : `${at.path}: ${at.message}.`, [at]);
  }
}

/**
 * Reads the query by a schema; unknown parameters are named.
 * @throws HttpProblem 400
 */
export function query<S extends z.ZodObject>(context: AppContext, schema: S): z.output<S> {
  const { searchParams } = new URL(context.req.url);
  const names = [...new Set(searchParams.keys())];
  const given = Object.fromEntries(names.map((name) => [name, searchParams.get(name)]));
  const errors: FieldError[] = names
    .filter((name) => searchParams.getAll(name).length > 1)
    .map((name) => ({ path: name.slice(0, 100), message: 'stands twice' }));
  const result = z.strictObject(schema.shape).safeParse(given);
  if (!result.success) errors.push(...fieldErrors(result.error));
  if (errors.length > 0 || !result.success) throw problems.badQuery(errors);
  return schema.parse(given);
}

/** A path parameter of a form; another form is something that does not exist. */
export function pathId(
  context: AppContext,
  name: string,
  { pattern, what }: { pattern: RegExp; what: string },
): string {
  const value = context.req.param(name) ?? '';
  if (!pattern.test(value)) throw problems.notFound(`${what} ${JSON.stringify(value.slice(0, 100))}`);
  return value;
}
