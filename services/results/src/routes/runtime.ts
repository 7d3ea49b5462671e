import {
  appendBody,
  conditionBody,
  type ExecutionClaims,
  incrementBody,
  MAX_OUTPUT_BYTES,
  outputBody,
  progressBody,
  SPAN,
  spanIdFor,
  variablePut,
} from '@cronium/contracts';
import { type Context, Hono } from 'hono';
import { pgText } from '../db/bulk.ts';
import type { Deps } from '../deps.ts';
import { type Env, requireExecution } from '../http/auth.ts';
import { readJson } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { inRoom, Room } from '../http/room.ts';
import { readPayload } from '../ingest/payload.ts';
import type { Origin } from '../otlp/rows.ts';
import { tellOfAttempt } from '../queries/attempt-data.ts';
import { openAllSealed, openSealed } from '../queries/sealed.ts';
import { append, increment, MAX_VALUE_BYTES, put, variableKey } from '../variables/changes.ts';
import type { WriteOptions } from '../variables/variables.ts';
import { storeArtifact } from './artifacts.ts';
import { locateJob } from './locate.ts';
import { receiveLogs, receiveTraces } from './otlp.ts';
import { runTool } from './tools.ts';

const SMALL = 64 * 1024;
/** Room for white space and escapes around a value of the allowed size. */
const VALUE_BODY = 2 * MAX_VALUE_BYTES + SMALL;
const OUTPUT_BODY = 2 * MAX_OUTPUT_BYTES + SMALL;
const ARTIFACT = /^\/runtime\/v1\/executions\/[^/]+\/artifacts\//;

/**
 * What running jobs do through their sidecars, which relay their requests with the jobs' own tokens. Answers have the
 * sidecar's own form (DESIGN section 6).
 */
export function runtimeRoutes(deps: Deps): Hono<Env> {
  const { db } = deps;
  const app = new Hono<Env>();
  const rooms = roomsFor(deps);
  app.use('/executions/:id/*', requireExecution(deps.nodeKeys, deps));
  app.use('/executions/:id/*', (c, next) =>
    ARTIFACT.test(c.req.path) ? rooms.artifacts(c, next) : rooms.values(c, next),
  );
  const ok = (c: Context<Env>, data?: unknown) =>
    c.json(data === undefined ? { success: true } : { success: true, data });

  app.post('/executions/:id/output', async (c) => {
    const { data } = await readJson(c, outputBody, OUTPUT_BODY);
    const output = JSON.stringify(data);
    if (Buffer.byteLength(output) > MAX_OUTPUT_BYTES) {
      throw problems.tooLarge(`The output may have ${MAX_OUTPUT_BYTES} bytes as JSON.`);
    }
    await tellOfAttempt(db, c.get('claims'), { output });
    return ok(c);
  });

  app.post('/executions/:id/condition', async (c) => {
    const { condition } = await readJson(c, conditionBody, SMALL);
    await tellOfAttempt(db, c.get('claims'), { condition });
    return ok(c);
  });

  app.post('/executions/:id/progress', async (c) => {
    const { percent, message } = await readJson(c, progressBody, SMALL);
    await tellOfAttempt(db, c.get('claims'), {
      ...(percent === undefined ? {} : { percent }),
      ...(message === undefined ? {} : { message: message.replaceAll('\0', '\uFFFD').toWellFormed() }),
    });
    return ok(c);
  });

  variableRoutes(app, deps);

  // All that the job's spec names and that are set; for the worker, which masks them in the log.
  app.get('/executions/:id/secrets', async (c) => ok(c, await secretsOf(deps, c.get('claims'))));
  app.get('/executions/:id/secrets/:name', async (c) => {
    const name = c.req.param('name');
    return ok(c, { name, value: await secretOf(deps, c.get('claims'), name) });
  });

  app.put('/executions/:id/artifacts/:path{[^]+}', async (c) =>
    ok(c, await storeArtifact(deps, c, { writer: c.get('claims'), path: c.req.param('path') })),
  );

  app.post('/tool-actions/execute', requireExecution(deps.nodeKeys, deps), rooms.values, (c) =>
    runTool(deps, c),
  );
  app.post('/executions/:id/otlp/v1/traces', async (c) => receiveTraces(deps, c, await originOf(deps, c)));
  app.post('/executions/:id/otlp/v1/logs', async (c) => receiveLogs(deps, c, await originOf(deps, c)));
  return app;
}

/** Values do not wait behind artifacts, which take long. */
function roomsFor({ artifacts: { maxBytes } }: Pick<Deps, 'artifacts'>) {
  const room = (largest: number) =>
    inRoom(new Room({ total: 4 * largest, tenant: 3 * largest, attempt: largest }), largest);
  return { artifacts: room(maxBytes), values: room(2 * OUTPUT_BODY) };
}

function variableRoutes(app: Hono<Env>, { variables }: Deps): void {
  const path = '/executions/:id/variables/:key';
  const ok = (c: Context<Env>, data: unknown) => c.json({ success: true, data });
  app.get(path, async (c) => {
    const name = variableOf(c);
    const variable = await variables.get(name);
    if (variable === undefined) throw problems.notFound(`variable ${name.key}`);
    return ok(c, variable);
  });
  app.put(path, async (c) => {
    const { value, ifVersion } = await readJson(c, variablePut, VALUE_BODY);
    return ok(c, await variables.change(variableOf(c), put(value, ifVersion), writeOf(c)));
  });
  app.delete(path, async (c) => {
    await variables.remove(variableOf(c), writeOf(c));
    return c.json({ success: true });
  });
  app.post(`${path}/increment`, async (c) => {
    const { by } = await readJson(c, incrementBody, SMALL);
    return ok(c, await variables.change(variableOf(c), increment(by), writeOf(c)));
  });
  app.post(`${path}/append`, async (c) => {
    const { text, separator } = await readJson(c, appendBody, VALUE_BODY);
    return ok(c, await variables.change(variableOf(c), append(text, separator), writeOf(c)));
  });
}

/** The helpers send the same key with every try of a call. */
function writeOf(c: Context<Env>): WriteOptions {
  const claims = c.get('claims');
  const key = c.req.header('idempotency-key');
  return { writer: claims, request: key && `${claims.executionId} ${pgText(key).slice(0, 200)}` };
}

async function originOf(deps: Deps, c: Context<Env>): Promise<Origin> {
  const { tenant, jobId, executionId } = c.get('claims');
  const { trace_id: traceId } = await locateJob(deps, tenant, jobId);
  return {
    tenant,
    jobId,
    attemptId: executionId,
    home: { traceId, spanId: spanIdFor(executionId, SPAN.run) },
  };
}

function variableOf(c: Context<Env>): { tenant: string; key: string } {
  return { tenant: c.get('claims').tenant, key: variableKey(c.req.param('key') ?? '') };
}

async function secretsOf(
  deps: Deps,
  { tenant, jobId }: Pick<ExecutionClaims, 'tenant' | 'jobId'>,
): Promise<Record<string, string>> {
  const job = await locateJob(deps, tenant, jobId);
  const names = readPayload(job.payload)?.spec.secrets ?? [];
  // Without a key nothing can have been stored.
  if (!deps.secrets.usable) return {};
  const found = await openAllSealed(deps.db, { tenant, kind: 'secret', names }, deps.secrets);
  return Object.fromEntries(found);
}

async function secretOf(
  deps: Deps,
  { tenant, jobId }: Pick<ExecutionClaims, 'tenant' | 'jobId'>,
  name: string,
): Promise<string> {
  const job = await locateJob(deps, tenant, jobId);
  const named = readPayload(job.payload)?.spec.secrets ?? [];
  if (!named.includes(name)) throw problems.forbidden(`The job's spec does not name the secret ${name}.`);
  if (!deps.secrets.usable) throw problems.noSecretsKey();
  const value = await openSealed(deps.db, { tenant, kind: 'secret', name }, deps.secrets);
  if (value === undefined) throw problems.notFound(`secret ${name}`);
  return value;
}
