import { PROBLEM_TYPE, problem } from '@cronium/contracts';
import { z } from 'zod';
import type { Endpoint } from './endpoint.ts';
import { endpoints } from './endpoints.ts';

type Json = Record<string, unknown>;

/** The API as OpenAPI 3.1. */
export function openApi(version: string, serverUrl = '/'): Json {
  const paths: Record<string, Json> = {};
  for (const endpoint of endpoints) {
    const path = paths[endpoint.path] ?? {};
    path[endpoint.method] = operation(endpoint);
    paths[endpoint.path] = path;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cronium Fleet: results',
      version,
      description:
        'Outcomes, logs and traces of jobs, and what tenants store. Errors are problem documents (RFC 9457).',
    },
    servers: [{ url: serverUrl }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'An API key.' } },
      schemas: { Problem: schemaOf(problem) },
    },
  };
}

function operation({ method, path, summary, query, body, answer = {}, auth }: Endpoint): Json {
  const { status = 200, type = 'application/json', schema } = answer;
  const content = { content: { [type]: schema === undefined ? {} : { schema: schemaOf(schema) } } };
  return {
    operationId: operationId(method, path),
    summary,
    parameters: [...pathParameters(path), ...(query === undefined ? [] : queryParameters(query))],
    ...(body && {
      requestBody: {
        required: true,
        content: { [body.type]: body.schema === undefined ? {} : { schema: schemaOf(body.schema, 'input') } },
      },
    }),
    responses: {
      [status]: { description: status === 204 ? 'Done.' : summary, ...(status === 204 ? {} : content) },
      default: {
        description: 'A problem.',
        content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
    security: auth === 'open' ? [] : [{ key: [] }],
  };
}

function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '' && word !== 'v1');
  return [method, ...words.map((word) => word[0]?.toUpperCase() + word.slice(1))].join('');
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: z.ZodType): Json[] {
  const { properties = {}, required = [] } = schemaOf(query, 'input') as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    schema,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output' = 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
