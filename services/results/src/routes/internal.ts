import { ATTEMPT_ID, BATCH_ID, decodeChunks, jobState } from '@cronium/contracts';
import { Hono } from 'hono';
import { z } from 'zod';
import { type Deps, onEndedOf } from '../deps.ts';
import { type Env, requireApiKey, requireNode } from '../http/auth.ts';
import { answerJson, parseJson, readConnection, readQuery } from '../http/body.ts';
import { boundedIntake } from '../http/intake.ts';
import { problems } from '../http/problems.ts';
import { ingestAttempts } from '../ingest/attempts.ts';
import { ingestUpdates } from '../ingest/fold-updates.ts';
import { ingestLogs } from '../ingest/logs.ts';
import { createIntakeMetrics } from '../metrics.ts';
import { batchPayloads } from '../queries/batches-read.ts';
import { logPositions } from '../queries/jobs-read.ts';
import { locateJob } from './locate.ts';
import { ndjsonStream } from './streams.ts';

const ATTEMPTS_MAX_BYTES = 128 * 1024 * 1024;
const LOGS_MAX_BYTES = 64 * 1024 * 1024;
/** Of all requests together that are being stored. */
const INTAKE_MAX_BYTES = 256 * 1024 * 1024;

/** What workers tell, and what the producer asks for a retry. */
export function internalRoutes(deps: Deps): Hono<Env> {
  const { db } = deps;
  const app = new Hono<Env>();
  const asNode = requireNode(deps.nodeKeys);
  const bounded = boundedIntake({ maxBytes: INTAKE_MAX_BYTES, largest: ATTEMPTS_MAX_BYTES });
  const asClient = requireApiKey(deps.apiKeys);
  const counted = createIntakeMetrics(deps.metrics);
  const onEnded = onEndedOf(deps);

  app.post('/attempts', asNode, bounded, async (c) => {
    const updates = parseJson(await readConnection(c, ATTEMPTS_MAX_BYTES), ingestUpdates);
    const stranger = updates.find(({ node }) => node !== c.get('node'));
    if (stranger)
      throw problems.forbidden(`Node ${c.get('node')} reports an attempt of node ${stranger.node}.`);
    const results = await ingestAttempts(db, updates, onEnded);
    if (updates.some(({ payload }) => payload.spec.webhook !== undefined)) deps.webhooks.wake();
    for (const { result } of results) counted.updates.inc({ result });
    return answerJson(c, { results });
  });

  app.post('/logs', asNode, bounded, async (c) => {
    const chunks = decodeChunks(await readConnection(c, LOGS_MAX_BYTES));
    const acks = await ingestLogs(deps, chunks);
    for (const { header, body } of chunks) {
      counted.logBytes.inc(body.length);
      counted.logLines.inc(header.records);
      counted.logLag.observe(Math.max(0, Date.now() - header.time) / 1000);
    }
    return answerJson(c, acks);
  });

  app.get('/attempts/:id/log-position', asNode, async (c) => {
    const id = c.req.param('id');
    if (!ATTEMPT_ID.test(id)) throw problems.notFound(`attempt ${id.slice(0, 100)}`);
    const at = (await logPositions(db, [id])).get(id);
    return c.json({
      nextChunk: at?.next_chunk ?? 0,
      nextSeq: at?.next_seq ?? 1,
      stdoutEnd: at?.stdout_end ?? 0,
      stderrEnd: at?.stderr_end ?? 0,
      complete: at?.complete ?? false,
    });
  });

  app.get('/jobs/:id/payload', asClient, async (c) => {
    const job = await locateJob(deps, c.get('principal').tenant, c.req.param('id'));
    return c.json({
      jobId: job.id,
      state: job.state,
      attempts: job.attempt,
      payload: JSON.parse(job.payload),
    });
  });

  app.get('/batches/:id/payloads', asClient, async (c) => {
    const { state } = readQuery(c, z.strictObject({ state: jobState.optional() }));
    const id = c.req.param('id');
    if (!BATCH_ID.test(id)) throw problems.notFound(`batch ${id.slice(0, 100)}`);
    return ndjsonStream(c, batchPayloads(db, { tenant: c.get('principal').tenant, batchId: id, state }));
  });
  return app;
}
