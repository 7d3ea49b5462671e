import { attemptUpdateResults, attemptUpdates, logAcks, logPosition } from '@cronium/contracts';
import { type Endpoint, json, jsonBody } from './endpoint.ts';

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
