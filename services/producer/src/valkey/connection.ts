import { Redis } from 'ioredis';
import { ValkeyFullError, ValkeyUnavailableError } from '../errors.ts';

/** Nobody waits longer than this for Valkey: a half-open connection is dropped and made again. */
const SILENCE_MS = 5000;
const LONGEST_RETRY_MS = 2000;

/** Replies that say that the server can't serve now; the first word of a reply is its code. */
const UNABLE = new Set([
  'LOADING',
  'READONLY',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'NOREPLICAS',
  'MISCONF',
  'BUSY',
]);

const CONNECTION_ERRORS = new Set(['MaxRetriesPerRequestError', 'AbortError', 'AggregateError']);

/**
 * A client that fails at once while Valkey is away, and keeps trying to come back. It does not connect by itself; an
 * `error` listener must be attached.
 */
export function createValkey(url: string): Redis {
  return new Redis(url, {
    lazyConnect: true,
    connectionName: 'cronium-producer',
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    retryStrategy: (times) => Math.min(50 * times, LONGEST_RETRY_MS),
  });
}

/**
 * Runs calls to Valkey and names what can go wrong with it.
 * @throws ValkeyUnavailableError, ValkeyFullError; other replies of the server are faults of ours and thrown as they are
 */
export async function withValkey<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw named(error);
  }
}

function named(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === 'ReplyError') return namedReply(error);
  return isConnectionError(error)
    ? new ValkeyUnavailableError('Valkey does not answer', { cause: error })
    : error;
}

function namedReply(error: Error): Error {
  const code = error.message.split(' ', 1)[0] ?? '';
  if (code === 'OOM') return new ValkeyFullError('Valkey is full', { cause: error });
  if (UNABLE.has(code)) return new ValkeyUnavailableError(`Valkey cannot serve: ${code}`, { cause: error });
  return error;
}

/** The client's own errors: plain ones, and a few with names. BullMQ's carry the number that its script returned. */
function isConnectionError(error: Error): boolean {
  if (CONNECTION_ERRORS.has(error.name)) return true;
  return error.constructor === Error && !('code' in error && typeof error.code === 'number');
}

/**
 * Throws the first error among a pipeline's results.
 * @returns the replies
 */
export function replies(
  results: readonly (readonly [error: Error | null, reply: unknown])[] | null,
): unknown[] {
  if (results === null) throw new ValkeyUnavailableError('the pipeline was not run');
  return results.map(([error, reply]) => {
    if (error) throw error;
    return reply;
  });
}
