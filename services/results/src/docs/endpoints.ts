import {
  artifactView,
  batchResult,
  batchView,
  deathRecord,
  health,
  jobPage,
  jobView,
  logLine,
  readiness,
  reconcileView,
  traceView,
  whyView,
  workersView,
} from '@cronium/contracts';
import { z } from 'zod';
import { listQuery, logsQuery } from '../routes/jobs.ts';
import { dashboardEndpoints } from './dashboard-endpoints.ts';
import { type Endpoint, json } from './endpoint.ts';
import { storedEndpoints } from './stored-endpoints.ts';

const otlpBody = { type: 'application/x-protobuf' };
const attempt = z.strictObject({ attempt: z.string().optional() });
const paging = z.strictObject({ limit: z.string().optional(), cursor: z.string().optional() });
const batchPage = z.object({ batches: z.array(batchView), cursor: z.string().nullable() });
const artifacts = z.object({ artifacts: z.array(artifactView) });
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
const drained = z.object({ node: z.string(), drained: z.boolean() });

/** What people and programs call. */
export const endpoints: readonly Endpoint[] = [
  { method: 'get', path: '/health', summary: 'Is the process up?', answer: json(health), auth: 'open' },
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
      'Jobs, newest first. Labels as name=value or name:value, more than once; states with commas between them. A page may hold fewer jobs than the limit, even none, and a cursor all the same: a request looks at some five thousand jobs at most, and the cursor goes on behind them.',
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
      'WebSocket. Send {type: "subscribe", jobs: true or ids, batches: ids, workers: true, logs: [{job, attempt}], activity: true, cursor?}; changes come as {type: "job" | "batch" | "workers" | "log" | "activity", …} and a {type: "cursor", cursor} after each round, from which to resume.',
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
    method: 'post',
    path: '/v1/workers/{node}/reconcile',
    summary: 'Removes what in the node’s Docker belongs to no attempt; `?dryRun=true` only names it. Admins.',
    answer: json(reconcileView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/scaling',
    summary: 'Wanted nodes by pool, for an autoscaler.',
    answer: json(scaling),
    auth: 'key',
  },
  ...dashboardEndpoints,
  ...storedEndpoints,
];
