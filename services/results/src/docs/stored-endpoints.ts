import {
  accountsView,
  auditPage,
  flowPage,
  flowView,
  preTaskBody,
  schedulesView,
  variablePut,
  variableView,
} from '@cronium/contracts';
import { z } from 'zod';
import { auditQuery } from '../routes/audit.ts';
import { flowsQuery } from '../routes/flows.ts';
import { credentialBody } from '../tools/credentials.ts';
import { type Endpoint, json, jsonBody } from './endpoint.ts';

const named = z.array(z.object({ name: z.string(), createdAt: z.string(), updatedAt: z.string() }));
const apiKey = z.object({ name: z.string(), role: z.enum(['admin', 'submitter', 'reader']) });

/** Variables, secrets, credentials, API keys and the audit log. */
export const storedEndpoints: readonly Endpoint[] = [
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
    path: '/v1/pre-task',
    summary: 'The script that runs before all jobs of the tenant.',
    answer: json(preTaskBody.extend({ updatedAt: z.string() })),
    auth: 'key',
  },
  {
    method: 'put',
    path: '/v1/pre-task',
    summary:
      'Sets the script that runs before all jobs of the tenant: POSIX shell, in the job’s own container. Admins.',
    body: jsonBody(preTaskBody),
    answer: { status: 204 },
    auth: 'key',
  },
  {
    method: 'delete',
    path: '/v1/pre-task',
    summary: 'Removes the script that runs before all jobs. Admins.',
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
  {
    method: 'get',
    path: '/v1/accounts',
    summary:
      'Is every accepted job ended, waiting or running, by PostgreSQL, the queues and every node’s Docker; each discrepancy is named. Admins.',
    answer: json(accountsView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/flows',
    summary: 'Flows, newest first. They are submitted at the producer.',
    query: flowsQuery,
    answer: json(flowPage),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/flows/{id}',
    summary: 'A flow with its steps.',
    answer: json(flowView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/schedules',
    summary: 'Schedules by name. They are made and changed at the producer.',
    answer: json(schedulesView),
    auth: 'key',
  },
  {
    method: 'get',
    path: '/v1/audit',
    summary:
      'Who did what, when and from where, newest first; all of it, oldest first, when NDJSON is accepted or format=ndjson. Admins.',
    query: auditQuery,
    answer: json(auditPage),
    auth: 'key',
  },
];
