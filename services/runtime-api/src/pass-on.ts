import type { IncomingHttpHeaders } from 'node:http';
import { fieldErrors, JsonSyntaxError, MAX_OUTPUT_BYTES, parseJsonBytes } from '@cronium/contracts';
import type { z } from 'zod';
import type { Answer } from './answers.ts';
import type { AppDeps, JobCall } from './app.ts';
import { BodyReader } from './body.ts';
import { badRequest } from './problems.ts';

export const SMALL_BODY_BYTES = 64 * 1024;
/** A value of the largest size, and the envelope around it. */
export const LARGE_BODY_BYTES = MAX_OUTPUT_BYTES + 1024;
/** Parsed, a body may need twenty times its bytes: longer ones are left to results, which checks all of them anyway. */
const CHECKED_BYTES = 256 * 1024;
const TIMEOUT_MS = 15_000;
/** Less than the 30 s after which the helpers give a try up. */
const WITHIN_MS = 28_000;

/** How a request is passed on to results. */
export interface PassOnOptions {
  readonly method: string;
  /** Below `/runtime/v1`. */
  readonly path: string;
  readonly maxBytes?: number;
  /** Refuses wrong bodies here, with the field's name; results checks them again. */
  readonly schema?: z.ZodType;
  /** False where doing it twice is not the same as doing it once. Default true. */
  readonly repeatable?: boolean;
  readonly timeoutMs?: number;
}

/** Passes a job's request on to results, with its body as it came. */
export type PassOn = (call: JobCall, options: PassOnOptions) => Promise<Answer>;

export function passOnTo({ relay, binding, limits }: Pick<AppDeps, 'relay' | 'binding' | 'limits'>): PassOn {
  const bodies = new BodyReader(limits.bodyRoomBytes);
  return async (call, { method, path, maxBytes = 0, schema, repeatable = true, timeoutMs = TIMEOUT_MS }) => {
    const { headers, caller, patience } = call;
    using body = await bodies.read(call.body, maxBytes, patience);
    if (schema !== undefined && body.bytes.length <= CHECKED_BYTES) check(body.bytes, schema);
    const request = {
      method,
      path,
      token: caller.token,
      repeatable,
      timeoutMs,
      withinMs: WITHIN_MS,
      headers: passedOn(headers),
      ...(maxBytes > 0 && { body: body.bytes }),
    };
    return await relay.send(request, { patience, signal: binding.ended });
  };
}

/** The headers of a request that results needs. */
export function passedOn(headers: IncomingHttpHeaders): Record<string, string | undefined> {
  const names = ['content-type', 'content-encoding', 'content-length', 'idempotency-key'];
  const single = (value: string | string[] | undefined) => (typeof value === 'string' ? value : undefined);
  return Object.fromEntries(names.map((name) => [name, single(headers[name])]));
}

/** @throws RefusedError 400 */
function check(bytes: Uint8Array, schema: z.ZodType): void {
  const parsed = schema.safeParse(parsedBody(bytes));
  if (parsed.success) return;
  throw badRequest('The body has wrong fields.', { errors: fieldErrors(parsed.error) });
}

function parsedBody(bytes: Uint8Array): unknown {
  try {
    return parseJsonBytes(bytes);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    throw badRequest(`The body is not JSON: ${error.message}`, { cause: error });
  }
}
