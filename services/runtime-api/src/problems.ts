import { type FieldError, makeProblem, PROBLEM_TYPE } from '@cronium/contracts';

/** Thrown when a request is refused; becomes the problem document that the job gets. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly code: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly errors: FieldError[] | undefined;

  constructor(
    code: string,
    options: {
      status: number;
      detail: string;
      retryAfterSeconds?: number;
      errors?: FieldError[];
      cause?: unknown;
    },
  ) {
    super(options.detail, { cause: options.cause });
    this.code = code;
    this.status = options.status;
    this.headers =
      options.retryAfterSeconds === undefined ? {} : { 'retry-after': String(options.retryAfterSeconds) };
    this.errors = options.errors;
  }
}

const TITLES: Readonly<Record<string, string>> = {
  unauthorized: 'No valid execution token',
  forbidden: 'Not allowed to this execution',
  'not-found': 'Not found',
  'bad-request': 'The request is not valid',
  'too-large': 'The body is too large',
  unavailable: 'A service is not reachable',
};

export function problemResponse(error: RefusedError): Response {
  const { code, status, message, errors } = error;
  const body = makeProblem(code, status, TITLES[code] ?? code, {
    detail: message,
    ...(errors && { errors }),
  });
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': PROBLEM_TYPE, ...error.headers },
  });
}

export const unauthorized = (detail: string, cause?: unknown): RefusedError =>
  new RefusedError('unauthorized', { status: 401, detail, cause });
export const forbidden = (detail: string): RefusedError =>
  new RefusedError('forbidden', { status: 403, detail });
export const notFound = (detail: string): RefusedError =>
  new RefusedError('not-found', { status: 404, detail });
export const tooLarge = (detail: string): RefusedError =>
  new RefusedError('too-large', { status: 413, detail });
export const unavailable = (detail: string, cause?: unknown): RefusedError =>
  new RefusedError('unavailable', { status: 503, detail, retryAfterSeconds: 1, cause });
