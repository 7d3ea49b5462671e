import { decodeJson, readQuery } from '@cronium/http';
import type { Context } from 'hono';
import type { z } from 'zod';
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
  return await run(decodeJson(body));
}

/** Reads the query by a strict schema. */
export function query<T>(context: AppContext, schema: z.ZodType<T>): T {
  return readQuery(context.req.url, schema);
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
