import {
  attemptUpdateResults,
  attemptUpdates,
  batchResult,
  batchView,
  deathRecord,
  jobPage,
  jobView,
  logAcks,
  logLine,
  logPosition,
  readiness,
  traceView,
  variablePut,
  variableView,
  whyView,
  workersView,
} from '@cronium/contracts';
import { z } from 'zod';
import { listQuery, logsQuery } from '../routes/jobs.ts';
import { credentialBody } from '../tools/credentials.ts';

/** One endpoint, for the API's description. */
export interface Endpoint {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: { readonly type: string; readonly schema?: z.ZodType };
  readonly answer?: { readonly status?: number; readonly type?: string; readonly schema?: z.ZodType };
  /** Who may call it. */
  readonly auth: 'open' | 'key' | 'node' | 'execution';
}

const json = (schema: z.ZodType, status = 200) => ({ status, schema });
const jsonBody = (schema: z.ZodType) => ({ type: 'application/json', schema });
const otlpBody = { type: 'application/x-protobuf' };
const attempt = z.strictObject({ attempt: z.string().optional() });
const paging = z.strictObject({ limit: z.string().optional(), cursor: z.string().optional() });
const batchPage = z.object({ batches: z.array(batchView), cursor: z.string().nullable() });
const artifacts = z.object({
  artifacts: z.array(
    z.object({
      path: z.string(),
      attempt: z.int(),
      bytes: z.int(),
      sha256: z.string(),
      contentType: z.string(),
      createdAt: z.string(),
    }),
  ),
});
const scaling = z.object({
  pools: z.array(
    z.object({
      pool: z.string(),
      waiting: z.int(),
      active: z.int(),
      nodes: z.int(),
      slots: z.int(),
      wantedNodes: z.int(),
    }),
  ),
});
const named = z.array(z.object({ name: z.string(), createdAt: z.string(), updatedAt: z.string() }));
const drained = z.object({ node: z.string(), drained: z.boolean() });
const apiKey = z.object({ name: z.string(), role: z.enum(['admin', 'submitter', 'reader']) });

/** What people and programs call. */
export const endpoints: readonly Endpoint[] = [
  { method: 'get', path: '/health', summary: 'Is the process alive.', auth: 'open' },
  {
    method: 'get',
    path: '/ready',
    summary: 'Can it serve; what is missing is named, with what to do. 503 when not.',
    answer: json(readiness),
    auth: 'open',
  },
  {
    method: 'get',
    path: '/metrics',
    summary: 'Prometheus metrics.',
    answer: { type: 'text/plain' },
    auth: 'open',
  },
  { method: 'get', path: '/openapi.json', summary: 'This description, as OpenAPI 3.1.', auth: 'open' },
  {
    method: 'get',
    path: '/docs',
    summary: 'This description, as a page.',
    answer: { type: 'text/html' },
    auth: 'open',
  },
  {
    method: 'get',
    path: '/v1/jobs',
    summary:
      'Jobs, newest first. Labels as name=value or name:value, more than once; states with commas between them.',
    query: listQuery,
    answer: json(jobPage),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}',
    summary: 'A job with its attempts. Never 404 after its 202.',
    answer: json(jobView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/logs',
    summary:
      'The log of an attempt (the newest): by Accept the raw bytes (text/plain), lines as NDJSON, or server-sent events that resume by Last-Event-ID. follow=true goes on until it is complete.',
    query: logsQuery,
    answer: { type: 'application/x-ndjson', schema: logLine },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/death',
    summary: 'What ended an attempt. 404 when it succeeded or has not ended.',
    query: attempt,
    answer: json(deathRecord),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/trace',
    summary: 'The trace of a job.',
    answer: json(traceView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/why',
    summary: 'Why a job is where it is.',
    answer: json(whyView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/artifacts',
    summary: 'The files that an attempt left.',
    query: attempt,
    answer: json(artifacts),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/artifacts/{path}',
    summary: 'The bytes of a file.',
    query: attempt,
    answer: { type: 'application/octet-stream' },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/batches',
    summary: 'Batches, newest first.',
    query: paging,
    answer: json(batchPage),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/batches/{id}',
    summary: 'Counts by state, progress, percentiles, time left.',
    answer: json(batchView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/batches/{id}/results',
    summary: 'The ended jobs of a batch, by line.',
    answer: { type: 'application/x-ndjson', schema: batchResult },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/traces/{traceId}',
    summary: 'A whole trace.',
    answer: json(traceView),
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/traces',
    summary: 'OTLP spans, protobuf or JSON, gzip or not.',
    body: otlpBody,
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/logs',
    summary: 'OTLP log records, protobuf or JSON, gzip or not.',
    body: otlpBody,
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/live',
    summary:
      'WebSocket. Send {type: "subscribe", jobs: true or ids, batches: ids, workers: true, cursor?}; changes come as {type: "job" | "batch" | "workers", …} and a {type: "cursor", cursor} after each round, from which to resume.',
    answer: { status: 101 },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/workers',
    summary: 'The nodes of the fleet.',
    answer: json(workersView),
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/workers/{node}/drain',
    summary: 'The node takes nothing new. Admins.',
    answer: json(drained),
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/workers/{node}/resume',
    summary: 'The node takes jobs again. Admins.',
    answer: json(drained),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/scaling',
    summary: 'Wanted nodes by pool, for an autoscaler.',
    answer: json(scaling),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/variables',
    summary: 'Variables by key.',
    query: z.strictObject({
      prefix: z.string().optional(),
      after: z.string().optional(),
      limit: z.string().optional(),
    }),
    answer: json(z.object({ variables: z.array(variableView) })),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/variables/{key}',
    summary: 'A variable.',
    answer: json(variableView),
    auth: 'key',
  },
  {
    method: 'put',
    path: '/v1/variables/{key}',
    summary: 'Sets a variable; with ifVersion only over that version (0: only a new one), else 409.',
    body: jsonBody(variablePut),
    answer: json(variableView),
    auth: 'key',
  },
  {
    method: 'delete',
    path: '/v1/variables/{key}',
    summary: 'Removes a variable.',
    answer: { status: 204 },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/secrets',
    summary: 'Names of secrets.',
    answer: json(z.object({ secrets: named })),
    auth: 'key',
  },
  {
    method: 'put',
    path: '/v1/secrets/{name}',
    summary: 'Stores a secret. It is never read back. Admins.',
    body: jsonBody(z.strictObject({ value: z.string() })),
    answer: { status: 204 },
    auth: 'key',
  },
  {
    method: 'delete',
    path: '/v1/secrets/{name}',
    summary: 'Removes a secret. Admins.',
    answer: { status: 204 },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/credentials',
    summary: 'Names of credentials.',
    answer: json(z.object({ credentials: named })),
    auth: 'key',
  },
  {
    method: 'put',
    path: '/v1/credentials/{name}',
    summary: 'Stores a tool’s credential. Admins.',
    body: jsonBody(credentialBody),
    answer: { status: 204 },
    auth: 'key',
  },
  {
    method: 'delete',
    path: '/v1/credentials/{name}',
    summary: 'Removes a credential. Admins.',
    answer: { status: 204 },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/api-keys',
    summary: 'Names and roles of API keys. Admins.',
    answer: json(z.object({ apiKeys: z.array(apiKey) })),
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/api-keys',
    summary: 'Makes an API key and shows it once. Admins.',
    body: jsonBody(apiKey.partial({ role: true })),
    answer: json(apiKey.extend({ tenant: z.string(), key: z.string() }), 201),
    auth: 'key',
  },
  {
    method: 'delete',
    path: '/v1/api-keys/{name}',
    summary: 'Removes an API key. Admins.',
    answer: { status: 204 },
    auth: 'key',
  },
];

/** What workers, sidecars and the producer call; part of the fleet, not of its public contract. */
export const internalEndpoints: readonly Endpoint[] = [
  {
    method: 'post',
    path: '/internal/v1/attempts',
    summary: 'Reports of attempts.',
    body: jsonBody(attemptUpdates),
    answer: json(attemptUpdateResults),
    auth: 'node',
  },
  {
    method: 'post',
    path: '/internal/v1/logs',
    summary: 'Log chunks as frames.',
    body: { type: 'application/octet-stream' },
    answer: json(logAcks),
    auth: 'node',
  },
  {
    method: 'get',
    path: '/internal/v1/attempts/{id}/log-position',
    summary: 'Where to resume a log.',
    answer: json(logPosition),
    auth: 'node',
  },
  { method: 'get', path: '/internal/v1/jobs/{id}/payload', summary: 'A job as it was queued.', auth: 'key' },
  {
    method: 'get',
    path: '/internal/v1/batches/{id}/payloads',
    summary: 'The jobs of a batch as they were queued.',
    answer: { type: 'application/x-ndjson' },
    auth: 'key',
  },
];
