import { PROBLEM_TYPE, problem } from '@cronium/contracts';
import type { RouteConfig } from '@hono/zod-openapi';
import type { z } from 'zod';
import type { App } from '../app-env.ts';
import { namedSchemas, type SchemaObject, schemaFor } from './schemas.ts';

type Content = Record<string, { schema: SchemaObject }>;
type Parameter = {
  name: string;
  in: 'header' | 'path' | 'query';
  required: boolean;
  description: string;
  schema: object;
};

/** A route as the documentation shows it. Its handler reads the request itself, because bodies are streamed and bounded. */
export interface RouteDescription {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** With parameters in braces. */
  readonly path: string;
  readonly summary: string;
  readonly description?: string;
  readonly request?: {
    readonly params?: readonly Parameter[];
    readonly query?: readonly Parameter[];
    readonly headers?: readonly Parameter[];
    readonly body?: { readonly required: boolean; readonly content: Content };
  };
  readonly success: { readonly status: number; readonly description: string; readonly content?: Content };
  /** Statuses that are answered with a problem document. 401, 403 and 500 are added. */
  readonly problems?: readonly number[];
  /** True: no API key is asked for. */
  readonly open?: boolean;
}

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'The body, a header or the query cannot be read.',
  401: 'No valid API key.',
  403: 'The API key may only read.',
  404: 'There is no such thing.',
  408: 'The body came too slowly.',
  409: 'Not possible in this state.',
  413: 'The body is too large.',
  415: 'Wrong content type or encoding.',
  422: 'The content is not valid; `errors` or `rejected` names each field.',
  429: 'Too much at once; see Retry-After.',
  500: 'A fault of the producer.',
  503: 'Something that is needed is away; `detail` names it. See Retry-After.',
};

/** Puts a route into the OpenAPI document. */
export function describe(app: App, route: RouteDescription): void {
  const { method, path, summary, description, request = {}, success, problems = [], open = false } = route;
  const statuses = [...new Set(open ? problems : [...problems, 401, 403, 500])].sort();
  const { status, ...answer } = success;
  const config: RouteConfig = {
    method,
    path,
    summary,
    ...(description !== undefined && { description }),
    ...(!open && { security: [{ apiKey: [] }] }),
    parameters: [...(request.params ?? []), ...(request.query ?? []), ...(request.headers ?? [])],
    ...(request.body && { request: { body: request.body } }),
    responses: {
      [status]: answer,
      ...Object.fromEntries(statuses.map((one) => [one, problemResponse(one)])),
    },
  };
  app.openAPIRegistry.registerPath(config);
}

function problemResponse(status: number) {
  return {
    description: MEANINGS[status] ?? 'An error.',
    content: { [PROBLEM_TYPE]: { schema: schemaFor(problem) } },
  };
}

/** A JSON answer. */
export function json(description: string, schema: z.ZodType): { description: string; content: Content } {
  return { description, content: { 'application/json': { schema: schemaFor(schema) } } };
}

/** A request's body by media type. */
export function body(schemas: Readonly<Record<string, z.ZodType>>): { required: true; content: Content } {
  return {
    required: true,
    content: Object.fromEntries(
      Object.entries(schemas).map(([type, schema]) => [type, { schema: schemaFor(schema) }]),
    ),
  };
}

export function pathParameter(name: string, description: string): Parameter {
  return { name, in: 'path', required: true, description, schema: { type: 'string' } };
}

export function queryParameter(name: string, description: string, schema: object): Parameter {
  return { name, in: 'query', required: false, description, schema };
}

export const idempotencyHeader: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key with the same body again changes nothing, for 24 hours.',
  schema: { type: 'string', maxLength: 200 },
};

export const traceparentHeader: Parameter = {
  name: 'traceparent',
  in: 'header',
  required: false,
  description: 'W3C trace context: the jobs belong to this trace.',
  schema: { type: 'string' },
};

/** The whole document, OpenAPI 3.1. */
export function openApiDocument(app: App, version: string): ReturnType<App['getOpenAPI31Document']> {
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', { type: 'http', scheme: 'bearer' });
  for (const [name, schema] of Object.entries(namedSchemas()))
    app.openAPIRegistry.registerComponent('schemas', name, schema);
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Cronium Fleet producer',
      version,
      description: 'Accepts jobs and puts them into the queue.',
    },
  });
}
