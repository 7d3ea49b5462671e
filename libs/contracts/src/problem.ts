import { z } from 'zod';

/** The body of every HTTP error (RFC 9457), `application/problem+json`. */
export const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  /** What happened, to what, and what to do next. */
  detail: z.string().optional(),
  /** The fields that are wrong, where the request's content was. */
  errors: z.array(z.strictObject({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof problem>;

/** One thing wrong with a document: where (`resources.memoryMiB`, empty for the whole) and what. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** What zod says of a field that is not there. */
const MISSING = /^Invalid input: expected (\w+), received undefined$/;

/** Zod's issues as field errors; an unknown field is named by its own path. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  return error.issues.flatMap((issue): FieldError[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'unknown field' }));
    }
    const message =
      issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    return [{ path: pathOf(issue.path), message: message.replace(MISSING, 'is missing: $1 is expected') }];
  });
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Makes a problem document; `slug` is the stable, documented kind of error. */
export function makeProblem(
  slug: string,
  status: number,
  title: string,
  rest: { detail?: string; errors?: FieldError[] } & Record<string, unknown> = {},
): Problem {
  return { type: `https://cronium.dev/problems/${slug}`, title, status, ...rest };
}
