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

/** What zod says by itself, and what it says here: in words, with what is allowed. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/^Invalid input: expected (\w+), received undefined$/, 'is missing: $1 is expected'],
  [/^Invalid input: expected int, received number$/, 'must be a whole number'],
  [/^Invalid input: expected boolean, received \w+$/, 'must be true or false'],
  [/^Invalid input: expected record, received (\w+)$/, 'must be of type object, not $1'],
  [/^Invalid input: expected (\w+), received (\w+)$/, 'must be of type $1, not $2'],
  [/^Invalid input: expected (.+)$/, 'must be $1'],
  [/^Invalid (?:option: expected one of|discriminator value\. Expected) (.+)$/, 'must be one of $1'],
  [/^Too (?:small|big): expected \w+ to have >=1 (\w+)$/, 'must not be empty'],
  [/^Too small: expected \w+ to have >=(\d+) (\w+)$/, 'must have at least $1 $2'],
  [/^Too big: expected \w+ to have <=(\d+) (\w+)$/, 'must have at most $1 $2'],
  [/^Too small: expected \w+ to be >=(.+)$/, 'must be at least $1'],
  [/^Too big: expected \w+ to be <=(.+)$/, 'must be at most $1'],
  [/^Too small: expected \w+ to be >(.+)$/, 'must be more than $1'],
  [/^Too big: expected \w+ to be <(.+)$/, 'must be less than $1'],
  [/^Invalid ISO datetime$/, 'must be a time such as 2026-01-31T12:00:00Z'],
];

function inWords(message: string): string {
  const [pattern, words] = WORDS.find(([of]) => of.test(message)) ?? [];
  if (pattern === undefined || words === undefined) return message;
  const text = message.replace(pattern, words);
  return text.startsWith('must be one of')
    ? text.replaceAll(/["'] ?\| ?["']/g, ', ').replaceAll(/["']/g, '')
    : text;
}

/** Zod's issues as field errors; an unknown field is named by its own path. */
export function fieldErrors(error: z.ZodError): FieldError[] {
  return error.issues.flatMap((issue): FieldError[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'unknown field' }));
    }
    const message =
      issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    return [{ path: pathOf(issue.path), message: inWords(message) }];
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
