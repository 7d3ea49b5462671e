import { retry } from '@cronium/lifecycle';
import pg from 'pg';

const AGAIN = new Set(['40001', '40P01', '55P03']);
const AWAY_STATES = new Set(['57P01', '57P02', '57P03', '53300', '53100', '53200', '58030', '57014']);
const AWAY_SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);
/** pg throws these two without a code. */
const AWAY_TEXT = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** Did two transactions collide, so that the same again will do? */
export function isCollision(error: unknown): boolean {
  return error instanceof pg.DatabaseError && AGAIN.has(error.code ?? '');
}

/** Is PostgreSQL away, starting, stopping, full, or the connection to it broken? */
export function isAway(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.some(isAway)) return true;
  const code = codeOf(error) ?? '';
  if (error instanceof pg.DatabaseError) return AWAY_STATES.has(code) || code.startsWith('08');
  return AWAY_SYSTEM.has(code) || (error instanceof Error && AWAY_TEXT.test(error.message));
}

/** Is it the request's content that PostgreSQL can't take, such as a NUL character? */
export function isBadValue(error: unknown): boolean {
  return error instanceof pg.DatabaseError && ['22021', '22P05', '22003'].includes(error.code ?? '');
}

/**
 * Runs a transaction again when it collided with another or its connection broke. It must be idempotent: a commit
 * whose answer was lost runs twice.
 * @throws the last error; {@link isAway} tells whether PostgreSQL is away
 */
export function withRetry<T>(run: () => Promise<T>, signal: AbortSignal = NEVER): Promise<T> {
  return retry(run, {
    signal,
    attempts: 6,
    baseMs: 20,
    maxMs: 500,
    when: (error) => isCollision(error) || isAway(error),
  });
}

const NEVER = new AbortController().signal;
