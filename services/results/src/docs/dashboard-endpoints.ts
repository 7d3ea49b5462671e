import {
  batchFailures,
  logLineAt,
  logMatches,
  overviewView,
  queueCounts,
  scheduleView,
  sessionView,
} from '@cronium/contracts';
import { z } from 'zod';
import { lineQuery, matchesQuery } from '../routes/jobs.ts';
import { overviewQuery } from '../routes/overview.ts';
import { sessionBody } from '../routes/session.ts';
import { type Endpoint, json, jsonBody } from './endpoint.ts';

const relayed = 'Handed on to the producer: ';
const retryQuery = z.strictObject({ state: z.string().optional() });

/** What the dashboard needs beyond what programs do. */
export const dashboardEndpoints: readonly Endpoint[] = [
  {
    method: 'post',
    path: '/session',
    summary: 'Signs a browser in: the key is kept in a cookie that no script can read.',
    body: jsonBody(sessionBody),
    answer: json(sessionView),
    auth: 'open',
  },
  {
    method: 'delete',
    path: '/session',
    summary: 'Signs a browser out.',
    answer: { status: 204 },
    auth: 'open',
  },
  {
    method: 'get',
    path: '/v1/session',
    summary: 'Who the key or the cookie belongs to.',
    answer: json(sessionView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/overview',
    summary: 'Throughput, ends, waiting jobs and times of the last minutes (60), and how the fleet stands.',
    query: overviewQuery,
    answer: json(overviewView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/logs/matches',
    summary:
      'Which lines of an attempt’s log are of a stream and hold a text, as runs of line numbers. Goes on with after=searched until it is complete.',
    query: matchesQuery,
    answer: json(logMatches),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/jobs/{id}/logs/line',
    summary: 'The first line of an attempt’s log at or after a time, by its number; 0 when there is none.',
    query: lineQuery,
    answer: json(logLineAt),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/batches/{id}/failures',
    summary: 'The jobs of a batch that did not succeed, by what ended them.',
    answer: json(batchFailures),
    auth: 'key',
  },
  { method: 'post', path: '/v1/jobs/{id}/cancel', summary: `${relayed}ends a job.`, auth: 'key' },
  {
    method: 'post',
    path: '/v1/jobs/{id}/retry',
    summary: `${relayed}queues an ended job again.`,
    auth: 'key',
  },
  { method: 'post', path: '/v1/batches/{id}/cancel', summary: `${relayed}ends a batch's jobs.`, auth: 'key' },
  {
    method: 'post',
    path: '/v1/batches/{id}/retry',
    summary: `${relayed}queues the jobs of one state (failed) again.`,
    query: retryQuery,
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/flows/{id}/cancel',
    summary: `${relayed}ends a flow and its jobs.`,
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/schedules/{name}/pause',
    summary: `${relayed}a schedule starts nothing until it is resumed.`,
    answer: json(scheduleView),
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/schedules/{name}/resume',
    summary: `${relayed}a schedule goes on.`,
    answer: json(scheduleView),
    auth: 'key',
  },
  {
    method: 'delete',
    path: '/v1/schedules/{name}',
    summary: `${relayed}removes a schedule.`,
    answer: { status: 204 },
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/queues',
    summary: `${relayed}the queues and what waits in them.`,
    answer: json(queueCounts),
    auth: 'key',
  },
  {
    method: 'post',
    path: '/v1/queues/{pool}/pause',
    summary: `${relayed}a pool takes no more.`,
    auth: 'key',
  },
  { method: 'post', path: '/v1/queues/{pool}/resume', summary: `${relayed}a pool goes on.`, auth: 'key' },
];
