import { IncomingMessage, ServerResponse } from 'node:http';
import { fieldErrors } from '@cronium/contracts';
import * as http from '@cronium/http';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import { z } from 'zod';
import { problems } from './problems.ts';

/** The deepest nesting of arrays and objects that a body may have. */
const MAX_DEPTH = 200;

/**
 * Reads a body of at most `limit` bytes; stops reading, with 413, as soon as it is longer.
 */
export async function readBody(c: Context, limit: number): Promise<Buffer> {
  return await collect(c, c.req.raw.body ?? [], limit);
}

/**
 * The same, straight from the connection where there is one: no stream of the web's kind is made for it. Nothing before
 * it may have asked for the request's body or signal.
 */
export async function readConnection(c: Context, limit: number): Promise<Buffer> {
  const incoming: unknown = c.env?.incoming;
  return incoming instanceof IncomingMessage ? await collect(c, incoming, limit) : await readBody(c, limit);
}

async function collect(
  c: Context,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: number,
): Promise<Buffer> {
  const declared = Number(c.req.header('content-length') ?? 0);
  if (declared > limit) throw problems.tooLarge(`The body may have ${limit} bytes.`);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > limit) throw problems.tooLarge(`The body may have ${limit} bytes.`);
    parts.push(part);
  }
  return Buffer.concat(parts, length);
}

/**
 * Reads a JSON body of at most `limit` bytes by its schema.
 * @throws HttpProblem 400 when it is not JSON, or not of the schema; 413
 */
export async function readJson<T>(c: Context, schema: z.ZodType<T>, limit: number): Promise<T> {
  return parseJson(await readBody(c, limit), schema);
}

/** Parses bytes as JSON by a schema. */
export function parseJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): T {
  const result = schema.safeParse(decodeJson(bytes));
  if (result.success) return result.data;
  throw problems.wrongFields(fieldErrors(result.error));
}

/** @throws HttpProblem 400 when the bytes are not JSON that this project takes */
export function decodeJson(bytes: Uint8Array, limits: { readonly maxValues?: number } = {}): unknown {
  return http.decodeJson(bytes, { maxDepth: MAX_DEPTH, ...limits });
}

/** Answers with JSON, straight to the connection where there is one, as {@link readConnection} reads. */
export function answerJson(c: Context, value: object): Response {
  const outgoing: unknown = c.env?.outgoing;
  if (!(outgoing instanceof ServerResponse)) return c.json(value);
  const body = Buffer.from(JSON.stringify(value));
  outgoing.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  return RESPONSE_ALREADY_SENT;
}

/** For what takes no parameters. */
export const NO_QUERY = z.strictObject({});

/** Parses the query by a strict schema. */
export function readQuery<T>(c: Context, schema: z.ZodType<T>): T {
  return http.readQuery(c.req.url, schema);
}
