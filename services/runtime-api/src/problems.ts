import { type FieldError, makeProblem, PROBLEM_TYPE } from '@cronium/contracts';
import type { Answer } from './answers.ts';

const TITLES = {
  unauthorized: 'No valid execution token',
  forbidden: 'Not allowed to this execution',
  'not-found': 'Not found',
  'method-not-allowed': 'Not with this method',
  'bad-request': 'The request is not valid',
  'too-large': 'The body is too large',
  unavailable: 'A service is not reachable',
  'egress-refused': 'The job may not go there',
  'egress-failed': 'The destination could not be reached',
  internal: 'The sidecar failed',
} as const;

/** The stable kinds of refusals. */
export type RefusalCode = keyof typeof TITLES;

export interface RefusalOptions {
  readonly status: number;
  /** What happened, and what to do; shown to the job. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly errors?: FieldError[];
  readonly cause?: unknown;
}

/** Thrown when a request is refused; becomes the problem document that the job gets. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly code: RefusalCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly errors: FieldError[] | undefined;

  constructor(code: RefusalCode, { status, detail, headers = {}, errors, cause }: RefusalOptions) {
    super(detail, { cause });
    this.code = code;
    this.status = status;
    this.headers = headers;
    this.errors = errors;
  }
}

/** The answer that a refusal becomes. */
export function problemAnswer({ code, status, message, headers, errors }: RefusedError): Answer {
  const problem = makeProblem(code, status, TITLES[code], { detail: message, ...(errors && { errors }) });
  return { status, headers: { 'content-type': PROBLEM_TYPE, ...headers }, body: JSON.stringify(problem) };
}

const CHALLENGE = { 'www-authenticate': 'Bearer' };
export const unauthorized = (detail: string, cause?: unknown): RefusedError =>
  new RefusedError('unauthorized', { status: 401, detail, headers: CHALLENGE, cause });
export const forbidden = (detail: string): RefusedError =>
  new RefusedError('forbidden', { status: 403, detail });
export const notFound = (detail: string): RefusedError =>
  new RefusedError('not-found', { status: 404, detail });
export const badRequest = (detail: string, rest: { errors?: FieldError[]; cause?: unknown } = {}) =>
  new RefusedError('bad-request', { status: 400, detail, ...rest });
export const tooLarge = (detail: string): RefusedError =>
  new RefusedError('too-large', { status: 413, detail });
export const unavailable = (detail: string, cause?: unknown): RefusedError =>
  new RefusedError('unavailable', { status: 503, detail, headers: { 'retry-after': '1' }, cause });
