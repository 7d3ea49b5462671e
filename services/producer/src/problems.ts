import { commonProblems, HttpProblem } from '@cronium/http';

/** The problem documents that requests get; `slug`s are stable. */
export const problems = {
  ...commonProblems,
  methodNotAllowed: (method: string, allowed: readonly string[]) =>
    new HttpProblem({
      slug: 'method-not-allowed',
      status: 405,
      title: 'Method not allowed',
      detail: `${method} is not possible here; use ${allowed.join(' or ')}.`,
      headers: { Allow: allowed.join(', ') },
    }),
  badHeader: (header: string, message: string) =>
    new HttpProblem({
      slug: 'bad-header',
      status: 400,
      title: 'A header is wrong',
      detail: `${header}: ${message}`,
      errors: [{ path: header, message }],
    }),
  timeout: (detail: string) =>
    new HttpProblem({ slug: 'timeout', status: 408, title: 'The body came too slowly', detail }),
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
