import { expect, test } from 'vitest';
import { jobSpec } from './job.ts';
import { fieldErrors } from './problem.ts';

function errorsOf(job: unknown) {
  const { error } = jobSpec.safeParse(job);
  return error === undefined ? [] : fieldErrors(error);
}

test('a field that is not there is said to be missing, and one that is not known is named', () => {
  expect(errorsOf({ type: 'container', container: { image: 'tool:1' } })).toEqual([
    { path: 'image', message: 'is missing: string is expected' },
    { path: 'container', message: 'unknown field' },
  ]);
});

test('a value of another type is not said to be missing', () => {
  expect(errorsOf({ type: 'script', script: { language: 'bash', source: 5 } })).toEqual([
    { path: 'script.source', message: 'Invalid input: expected string, received number' },
  ]);
});
