import { newJobId } from '@cronium/contracts';
import { eventually } from '@cronium/testing';
import { expect, test } from 'vitest';
import { ingestAttempts } from './ingest/attempts.ts';
import { serve } from './serve.ts';
import { updateOf } from './test/fleet.ts';
import { openService } from './test/service.ts';

test('a reader that hangs up is forgotten at once; a drain ends those that stay', async () => {
  await using service = await openService();
  const { changes, db } = service.deps;
  const id = newJobId();
  await ingestAttempts(db, [updateOf(id, 1, { state: 'running' })]);
  const server = await serve(service.app, { host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${server.port}/v1/jobs/${id}/logs?follow=true`;
  const headers = { authorization: 'Bearer admin-key-of-the-tests', accept: 'application/x-ndjson' };
  const hangUp = new AbortController();
  const hung = fetch(url, { headers, signal: hangUp.signal });
  await eventually(() => changes.listeners === 1, { what: 'the first reader listens' });
  hangUp.abort();
  await expect(hung.then((response) => response.text())).rejects.toThrow();
  await eventually(() => changes.listeners === 0, { what: 'the reader is forgotten' });
  const staying = fetch(url, { headers }).then((response) => response.text());
  await eventually(() => changes.listeners === 1, { what: 'the second reader listens' });
  const cut = expect(staying).rejects.toThrow();
  await server.drain({ patienceMs: 200 });
  await cut;
});
