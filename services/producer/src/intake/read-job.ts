import {
  type FieldError,
  fieldErrors,
  type JobSpec,
  JsonSyntaxError,
  jobSpec,
  MAX_DELAY_SECONDS,
  parseJsonBytes,
} from '@cronium/contracts';
import type { Line } from '../http/lines.ts';

const MOST_ERRORS = 20;
const LONGEST_TEXT = 300;

/** A job as it was read: good, or what is wrong with it. */
export type ReadJob =
  | { readonly spec: JobSpec; readonly errors?: never }
  | { readonly errors: readonly FieldError[]; readonly spec?: never };

/** A job of a batch. `line` is its line, or its place in `jobs`, from 1. */
export type ReadLine = ReadJob & { readonly line: number; readonly bytes: number };

/** Checks one job. */
export function readJob(value: unknown): ReadJob {
  const result = jobSpec.safeParse(value);
  if (!result.success) return { errors: bounded(fieldErrors(result.error)) };
  const late = tooLate(result.data);
  return late === undefined ? { spec: result.data } : { errors: [late] };
}

/** `runAt` reaches as far as `delaySeconds` does. Not in the schema: what was accepted once stays valid. */
export function tooLate({ runAt }: JobSpec): FieldError | undefined {
  if (runAt === undefined || Date.parse(runAt) <= Date.now() + MAX_DELAY_SECONDS * 1000) return undefined;
  return { path: 'runAt', message: `must be within ${MAX_DELAY_SECONDS / 86_400} days from now` };
}

/** Reads one line of a batch. */
export function readLine(line: Line, maxBytes: number): ReadLine {
  const at = { line: line.line, bytes: line.bytes?.length ?? 0 };
  if (line.tooLong)
    return { ...at, errors: [{ path: '', message: `the line is longer than ${maxBytes} bytes` }] };
  try {
    return { ...at, ...readJob(parseJsonBytes(line.bytes)) };
  } catch (error) {
    return { ...at, errors: [syntaxError(error)] };
  }
}

/**
 * What is wrong with a text that is not the JSON it should be.
 * @throws the error itself when it is another one
 */
function syntaxError(error: unknown): FieldError {
  if (!(error instanceof JsonSyntaxError)) throw error;
  return { path: error.path, message: cut(error.message) };
}

/** What strangers send must not come back in full length. */
function bounded(errors: readonly FieldError[]): FieldError[] {
  const listed = errors
    .slice(0, MOST_ERRORS)
    .map(({ path, message }) => ({ path: cut(path), message: cut(message) }));
  const more = errors.length - listed.length;
  return more > 0 ? [...listed, { path: '', message: `and ${more} more` }] : listed;
}

function cut(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}
