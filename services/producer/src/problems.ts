import type { FieldError } from '@cronium/contracts';
import { HttpProblem } from './errors.ts';

/** The problem documents that requests get; `slug`s are stable. */
export const problems = {
  unauthorized: (detail: string) =>
    new HttpProblem({
      slug: 'unauthorized',
      status: 401,
      title: 'No valid API key',
      detail,
      headers: { 'WWW-Authenticate': 'Bearer realm="cronium"' },
    }),
  forbidden: (detail: string) =>
    new HttpProblem({ slug: 'forbidden', status: 403, title: 'Not allowed', detail }),
  notFound: (what: string) =>
    new HttpProblem({ slug: 'not-found', status: 404, title: 'Not found', detail: `There is no ${what}.` }),
  methodNotAllowed: (method: string, allowed: readonly string[]) =>
    new HttpProblem({
      slug: 'method-not-allowed',
      status: 405,
      title: 'Method not allowed',
      detail: `${method} is not possible here; use ${allowed.join(' or ')}.`,
      headers: { Allow: allowed.join(', ') },
    }),
  conflict: (detail: string, members: Readonly<Record<string, unknown>> = {}) =>
    new HttpProblem({ slug: 'conflict', status: 409, title: 'Not possible in this state', detail, members }),
  badBody: (detail: string, errors?: readonly FieldError[]) =>
    new HttpProblem({
      slug: 'bad-body',
      status: 400,
      title: 'The body cannot be read',
      detail,
      ...(errors && { errors }),
    }),
  badHeader: (header: string, message: string) =>
    new HttpProblem({
      slug: 'bad-header',
      status: 400,
      title: 'A header is wrong',
      detail: `${header}: ${message}`,
      errors: [{ path: header, message }],
    }),
  badQuery: (errors: readonly FieldError[]) =>
    new HttpProblem({
      slug: 'bad-query',
      status: 400,
      title: 'The query is wrong',
      errors,
      detail: 'See errors for each parameter.',
    }),
  timeout: (detail: string) =>
    new HttpProblem({ slug: 'timeout', status: 408, title: 'The body came too slowly', detail }),
  tooLarge: (detail: string) =>
    new HttpProblem({ slug: 'too-large', status: 413, title: 'The body is too large', detail }),
  mediaType: (detail: string) =>
    new HttpProblem({ slug: 'media-type', status: 415, title: 'Wrong content type or encoding', detail }),
  invalid: (errors: readonly FieldError[], what = 'job') =>
    new HttpProblem({
      slug: 'invalid',
      status: 422,
      title: `The ${what} is not valid`,
      detail: errors
        .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
        .join('; ')
        .slice(0, 1000),
      errors,
    }),
  keyReused: (detail: string) =>
    new HttpProblem({
      slug: 'idempotency-key-reused',
      status: 422,
      title: 'The Idempotency-Key was used with another body',
      detail,
    }),
  tooManyInvalid: (limit: number, line: number) =>
    new HttpProblem({
      slug: 'too-many-invalid',
      status: 422,
      title: 'Too many jobs of the batch are not valid',
      detail: `More than ${limit} jobs are not valid; the producer stopped reading at line ${line}.`,
    }),
  busy: (detail: string, retryAfterSeconds: number) =>
    new HttpProblem({ slug: 'busy', status: 429, title: 'Too much at once', detail, retryAfterSeconds }),
  unsettled: () =>
    new HttpProblem({
      slug: 'unsettled',
      status: 503,
      title: 'A worker still holds the job',
      detail: 'The job has ended, but its worker has not let go of it yet. Send the request again.',
      retryAfterSeconds: 1,
    }),
  stopping: () =>
    new HttpProblem({
      slug: 'stopping',
      status: 503,
      title: 'The producer is stopping',
      detail: 'This process is shutting down; send the request again.',
      retryAfterSeconds: 1,
    }),
} as const;
