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
    { path: 'script.source', message: 'must be of type string, not number' },
  ]);
});

const JOB = { type: 'script', script: { language: 'bash', source: 'true' } };

test.each([
  [{ type: 'scrip' }, 'type: must be one of script, container, http, tool'],
  [{ ...JOB, isolation: 'x' }, 'isolation: must be one of job, batch'],
  [{ ...JOB, egress: 'interne' }, 'egress: must be "none", "internet" or {"allow": ["HOST:PORT"]}'],
  [{ ...JOB, egress: { allow: ['x y'] } }, 'egress.allow[0]: must be host:port, such as api.example.com:443'],
  [{ ...JOB, script: { language: 'bash', source: '' } }, 'script.source: must not be empty'],
  [{ ...JOB, resources: { memoryMiB: 1 } }, 'resources.memoryMiB: must be at least 8'],
  [{ ...JOB, priority: 1.5 }, 'priority: must be a whole number'],
  [{ ...JOB, priority: 5000 }, 'priority: must be at most 1000'],
  [{ ...JOB, timeoutSeconds: -1 }, 'timeoutSeconds: must be more than 0'],
  [{ ...JOB, runAt: 'tomorrow' }, 'runAt: must be a time such as 2026-01-31T12:00:00Z'],
  [[], ': must be of type object, not array'],
])('%j is told what it must be', (job, text) => {
  expect(errorsOf(job).map(({ path, message }) => `${path}: ${message}`)).toEqual([text]);
});
