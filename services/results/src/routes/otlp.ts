import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { fieldErrors } from '@cronium/contracts';
import { type Context, Hono } from 'hono';
import type { z } from 'zod';
import { withRetry } from '../db/retry.ts';
import type { Deps } from '../deps.ts';
import type { Env } from '../http/auth.ts';
import { decodeJson, readBody } from '../http/body.ts';
import { problems } from '../http/problems.ts';
import { logsRequest, traceRequest } from '../otlp/model.ts';
import { decodeProtobuf, encodeResponse, type OtlpRequestType } from '../otlp/proto.ts';
import { logRows, type Origin, spanRows } from '../otlp/rows.ts';
import { insertLogRecords, insertSpans } from '../queries/spans.ts';
import { toSpan } from '../trace/assemble.ts';

const MAX_BYTES = 16 * 1024 * 1024;
/** Of a request, however few bytes they take: 10,000 spans with a dozen attributes each. */
const MAX_VALUES = 500_000;
const REJECTED = 'spans without a valid trace id and span id were left out';
const unzip = promisify(gunzip);

/** `POST /v1/traces` and `POST /v1/logs`: OTLP/HTTP with protobuf or JSON, gzip or not. */
export function otlpRoutes(deps: Deps): Hono<Env> {
  const app = new Hono<Env>();
  const origin = (c: Context<Env>): Origin => ({ tenant: c.get('principal').tenant });
  app.post('/traces', (c) => receiveTraces(deps, c, origin(c)));
  app.post('/logs', (c) => receiveLogs(deps, c, origin(c)));
  return app;
}

/** Stores spans. Repeats are harmless. */
export async function receiveTraces(deps: Deps, c: Context<Env>, origin: Origin): Promise<Response> {
  const request = await readOtlp(c, 'TraceRequest', traceRequest);
  const { rows, rejected } = spanRows(request, { origin, window: deps.window(), nowMs: Date.now() });
  const days = rows.map(({ day }) => day);
  await deps.partitions.storing('spans', days, () => withRetry(() => insertSpans(deps.db, rows)));
  // Spans of jobs go with their job's trace.
  deps.traces?.forward(rows.filter(({ job_id }) => job_id === null).map(toSpan));
  return answer(c, { rejected, field: 'rejectedSpans' });
}

/** Stores log records. Repeats are harmless. */
export async function receiveLogs(deps: Deps, c: Context<Env>, origin: Origin): Promise<Response> {
  const request = await readOtlp(c, 'LogsRequest', logsRequest);
  const { rows, rejected } = logRows(request, { origin, window: deps.window(), nowMs: Date.now() });
  const days = rows.map(({ day }) => day);
  await deps.partitions.storing('log_records', days, () => withRetry(() => insertLogRecords(deps.db, rows)));
  return answer(c, { rejected, field: 'rejectedLogRecords' });
}

function isProtobuf(c: Context): boolean {
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim();
  if (type === 'application/x-protobuf') return true;
  if (type === 'application/json') return false;
  throw problems.mediaType('Send application/x-protobuf or application/json.');
}

async function readOtlp<T>(c: Context, type: OtlpRequestType, schema: z.ZodType<T>): Promise<T> {
  const protobuf = isProtobuf(c);
  const bytes = await decompress(await readBody(c, MAX_BYTES), c.req.header('content-encoding'));
  const result = schema.safeParse(
    protobuf ? fromProtobuf(type, bytes) : decodeJson(bytes, { maxValues: MAX_VALUES }),
  );
  if (result.success) return result.data;
  throw problems.badBody('The body is not an OTLP request.', fieldErrors(result.error).slice(0, 20));
}

function fromProtobuf(type: OtlpRequestType, bytes: Uint8Array): unknown {
  try {
    return decodeProtobuf(type, bytes, MAX_VALUES);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw problems.badBody(`The body is not an OTLP request in protobuf: ${why.slice(0, 200)}`);
  }
}

async function decompress(bytes: Buffer, encoding: string | undefined): Promise<Uint8Array> {
  if (encoding === undefined || encoding === 'identity') return bytes;
  if (encoding !== 'gzip') throw problems.mediaType('The Content-Encoding may be gzip or identity.');
  try {
    return await unzip(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    if (tooLarge) throw problems.tooLarge(`The body may have ${MAX_BYTES} bytes when unpacked.`);
    throw problems.badBody('The body is not gzip.');
  }
}

function answer(
  c: Context,
  { rejected, field }: { rejected: number; field: 'rejectedSpans' | 'rejectedLogRecords' },
): Response {
  if (isProtobuf(c)) {
    return c.body(new Uint8Array(encodeResponse(rejected, REJECTED)), 200, {
      'Content-Type': 'application/x-protobuf',
    });
  }
  return c.json(
    rejected === 0 ? {} : { partialSuccess: { [field]: String(rejected), errorMessage: REJECTED } },
  );
}
