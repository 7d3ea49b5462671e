import {
  type AttemptUpdate,
  type AttemptUpdateResults,
  attemptUpdateResults,
  type LogAcks,
  type LogPosition,
  logAcks,
  logPosition,
  problem,
} from '@cronium/contracts';
import { deadline } from '@cronium/lifecycle';
import { z } from 'zod';
import { exchange } from './exchange.ts';

/**
 * The internal API of results as a worker uses it. Every call is idempotent: a repeat after a lost answer changes
 * nothing. Calls end by themselves within a few seconds when results does not answer.
 */
export interface ResultsClient {
  /** Tells of attempts, at most 1000. @throws ResultsError */
  sendUpdates(updates: readonly AttemptUpdate[], signal: AbortSignal): Promise<AttemptUpdateResults>;
  /** Sends encoded chunks; what is acknowledged is stored for good. @throws ResultsError */
  sendLogs(frames: Buffer, signal: AbortSignal): Promise<LogAcks>;
  /** Where an attempt's log is stored up to. @throws ResultsError */
  logPosition(attemptId: string, signal: AbortSignal): Promise<LogPosition>;
  /**
   * The values of the secrets that an attempt's job names, with the attempt's own token; those that are not set are
   * missing. @throws ResultsError
   */
  secrets(
    attempt: { readonly attemptId: string; readonly executionToken: string },
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, string>>>;
  /** Is it there? @throws ResultsError */
  ping(signal: AbortSignal): Promise<void>;
}

/**
 * Thrown when results did not do what it was asked. `REFUSED`: it will never take this content. `UNAVAILABLE`: it is
 * away, busy, or does not know this node's key yet; try again.
 */
export class ResultsError extends Error {
  override readonly name = 'ResultsError';
  readonly code: 'REFUSED' | 'UNAVAILABLE';
  readonly status: number | undefined;

  constructor(code: ResultsError['code'], message: string, options: ErrorOptions & { status?: number } = {}) {
    super(message, options);
    this.code = code;
    this.status = options.status;
  }
}

export function isRefusal(error: unknown): boolean {
  return error instanceof ResultsError && error.code === 'REFUSED';
}

/** Of an answer that names no fault of the content and yet may come of it, alone of all that the request holds. */
export function isFault(error: unknown): boolean {
  if (!(error instanceof ResultsError) || error.status === undefined) return false;
  return error.status === 403 || (error.status >= 500 && !AWAY.has(error.status));
}

export interface HttpResultsOptions {
  /** Without a slash at the end. */
  readonly url: string;
  /** A node token that is good now. */
  token(): Promise<string>;
  readonly timeoutMs?: number;
}

/** A request that has no answer by then is given up with its connection: a dead link is noticed so, and nothing else is. */
const TIMEOUT_MS = 9000;

/** Answers that say the content is wrong; all others may change with time. */
const REFUSALS = new Set([400, 413, 415, 422]);
/** Answers of one that has no time, or cannot reach the service. */
const AWAY = new Set([502, 503, 504]);

export function httpResults(options: HttpResultsOptions): ResultsClient {
  const call = <T>(request: Call<T>, signal: AbortSignal) => send(options, request, signal);
  return {
    sendUpdates: (updates, signal) =>
      call(
        {
          method: 'POST',
          path: '/internal/v1/attempts',
          type: 'application/json',
          body: JSON.stringify(updates),
          schema: attemptUpdateResults,
        },
        signal,
      ),
    sendLogs: (frames, signal) =>
      call(
        {
          method: 'POST',
          path: '/internal/v1/logs',
          type: 'application/octet-stream',
          body: frames,
          schema: logAcks,
        },
        signal,
      ),
    logPosition: (attemptId, signal) =>
      call(
        { method: 'GET', path: `/internal/v1/attempts/${attemptId}/log-position`, schema: logPosition },
        signal,
      ),
    secrets: async ({ attemptId, executionToken }, signal) => {
      const path = `/runtime/v1/executions/${attemptId}/secrets`;
      return (await call({ method: 'GET', path, token: executionToken, schema: secretValues }, signal)).data;
    },
    ping: async (signal) => {
      await call({ method: 'GET', path: '/health', schema: anything }, signal);
    },
  };
}

const anything = z.unknown();
const secretValues = z.object({ data: z.record(z.string(), z.string()) });

interface Call<T> {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Default: the node's own. */
  readonly token?: string;
  readonly type?: string;
  readonly body?: string | Uint8Array;
  readonly schema: z.ZodType<T>;
}

async function send<T>(options: HttpResultsOptions, call: Call<T>, signal: AbortSignal): Promise<T> {
  const { url, timeoutMs = TIMEOUT_MS } = options;
  const headers: Record<string, string> = {
    authorization: `Bearer ${call.token ?? (await options.token())}`,
  };
  if (call.type !== undefined) headers['content-type'] = call.type;
  using limit = deadline(timeoutMs, `results did not answer ${call.method} ${call.path}`, signal);
  const request = { method: call.method, url: `${url}${call.path}`, headers, body: call.body };
  const { status, text } = await orUnavailable(exchange(request, limit), url);
  if (status >= 200 && status < 300) return call.schema.parse(JSON.parse(text));
  const code = REFUSALS.has(status) ? 'REFUSED' : 'UNAVAILABLE';
  const message = `results answered ${call.method} ${call.path} with ${status}: ${explain(text)}`;
  throw new ResultsError(code, message, { status });
}

async function orUnavailable<T>(promise: Promise<T>, url: string): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const why = reason instanceof Error ? reason.message : String(reason);
    throw new ResultsError('UNAVAILABLE', `results at ${url} cannot be reached: ${why}`, { cause: error });
  }
}

function explain(text: string): string {
  try {
    const parsed = problem.parse(JSON.parse(text));
    return parsed.detail ?? parsed.title;
  } catch {
    return text.slice(0, 200);
  }
}
