import type { FieldError } from '@cronium/contracts';
import { HttpProblem } from './problem.ts';

const LONGEST_DETAIL = 1000;
const MOST_ERRORS = 100;

/** The field errors as one sentence for a person. */
function sentenceOf(errors: readonly FieldError[]): string {
  const texts = errors.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  return texts.join('; ').slice(0, LONGEST_DETAIL);
}

/** The problems that requests to more than one service get; `slug`s are stable. */
export const commonProblems = {
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
  /** A body that is JSON, but not of the form that is wanted. */
  wrongFields: (all: readonly FieldError[]) => {
    const errors = all.slice(0, MOST_ERRORS);
    return commonProblems.badBody(sentenceOf(errors), errors);
  },
  badQuery: (all: readonly FieldError[]) => {
    const errors = all.slice(0, MOST_ERRORS);
    return new HttpProblem({
      slug: 'bad-query',
      status: 400,
      title: 'The query is wrong',
      detail: sentenceOf(errors),
      errors,
    });
  },
  invalid: (errors: readonly FieldError[], what: string) =>
    new HttpProblem({
      slug: 'invalid',
      status: 422,
      title: `The ${what} is not valid`,
      detail: sentenceOf(errors),
      errors,
    }),
  tooLarge: (detail: string) =>
    new HttpProblem({ slug: 'too-large', status: 413, title: 'The body is too large', detail }),
  mediaType: (detail: string) =>
    new HttpProblem({ slug: 'media-type', status: 415, title: 'Wrong content type or encoding', detail }),
} as const;
