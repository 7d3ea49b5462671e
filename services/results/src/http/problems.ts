import { type FieldError, makeProblem, PROBLEM_TYPE, type Problem } from '@cronium/contracts';

/** What a request gets instead of an answer. */
export interface ProblemOptions {
  /** The stable kind of error; ends the problem's `type`. */
  readonly slug: string;
  readonly status: number;
  readonly title: string;
  /** What happened, to what, and what to do next. */
  readonly detail: string;
  readonly errors?: readonly FieldError[];
  /** Sent as `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Thrown when a request gets a problem document (RFC 9457) for an answer. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code: string;
  readonly status: number;
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;

  constructor({ slug, status, title, detail, errors, retryAfterSeconds, headers = {} }: ProblemOptions) {
    super(detail);
    this.code = slug;
    this.status = status;
    this.problem = makeProblem(slug, status, title, { detail, ...(errors && { errors: [...errors] }) });
    this.headers =
      retryAfterSeconds === undefined ? headers : { ...headers, 'Retry-After': String(retryAfterSeconds) };
  }

  response(): Response {
    return new Response(JSON.stringify(this.problem), {
      status: this.status,
      headers: { ...this.headers, 'Content-Type': PROBLEM_TYPE },
    });
  }
}

/** The problems that requests get; `slug`s are stable. */
export const problems = {
  unauthorized: (detail: string) =>
    new HttpProblem({
      slug: 'unauthorized',
      status: 401,
      title: 'No valid API key or token',
      detail,
      headers: { 'WWW-Authenticate': 'Bearer realm="cronium"' },
    }),
  forbidden: (detail: string) =>
    new HttpProblem({ slug: 'forbidden', status: 403, title: 'Not allowed', detail }),
  notFound: (what: string) =>
    new HttpProblem({ slug: 'not-found', status: 404, title: 'Not found', detail: `There is no ${what}.` }),
  conflict: (detail: string) =>
    new HttpProblem({ slug: 'conflict', status: 409, title: 'Not possible in this state', detail }),
  badBody: (detail: string, errors?: readonly FieldError[]) =>
    new HttpProblem({
      slug: 'bad-body',
      status: 400,
      title: 'The body cannot be read',
      detail,
      ...(errors && { errors }),
    }),
  badQuery: (errors: readonly FieldError[]) =>
    new HttpProblem({
      slug: 'bad-query',
      status: 400,
      title: 'The query is wrong',
      detail: errors
        .map(({ path, message }) => `${path}: ${message}`)
        .join('; ')
        .slice(0, 1000),
      errors,
    }),
  badValue: () =>
    new HttpProblem({
      slug: 'bad-value',
      status: 400,
      title: 'A value cannot be used',
      detail: 'A text holds a character that cannot be stored or searched for, such as NUL.',
    }),
  tooLarge: (detail: string) =>
    new HttpProblem({ slug: 'too-large', status: 413, title: 'The body is too large', detail }),
  mediaType: (detail: string) =>
    new HttpProblem({ slug: 'media-type', status: 415, title: 'Wrong content type or encoding', detail }),
  toolFailed: (detail: string) =>
    new HttpProblem({ slug: 'tool-failed', status: 502, title: 'The tool failed', detail }),
  noSecretsKey: () =>
    new HttpProblem({
      slug: 'no-secrets-key',
      status: 503,
      title: 'Secrets cannot be stored',
      detail:
        'CRONIUM_SECRETS_KEY is not set on the results service. Set it to id:base64 of 32 random bytes.',
    }),
  databaseAway: () =>
    new HttpProblem({
      slug: 'database-unavailable',
      status: 503,
      title: 'The database is away',
      detail: 'PostgreSQL does not answer or refuses. Nothing of this request was stored; send it again.',
      retryAfterSeconds: 2,
    }),
  valkeyAway: () =>
    new HttpProblem({
      slug: 'valkey-unavailable',
      status: 503,
      title: 'The queue is away',
      detail: 'Valkey does not answer. Send the request again.',
      retryAfterSeconds: 2,
    }),
  producerAway: (url: string) =>
    new HttpProblem({
      slug: 'producer-unavailable',
      status: 503,
      title: 'The producer is away',
      detail: `The producer at ${url} does not answer; is CRONIUM_PRODUCER_URL of the results service right? Nothing was done, or it is not known what was: look again, then repeat.`,
      retryAfterSeconds: 2,
    }),
  internal: () =>
    new HttpProblem({
      slug: 'internal',
      status: 500,
      title: 'A fault of this service',
      detail: 'The request failed for a reason that is not yours. The service’s log has it.',
    }),
} as const;
