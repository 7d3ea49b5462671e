import { expect, test } from 'vitest';
import { jobSpec, notBefore } from './job.ts';
import { fieldErrors } from './problem.ts';

const bash = { type: 'script', script: { language: 'bash', source: 'echo hi' } };

function errorsOf(value: unknown): string[] {
  const parsed = jobSpec.safeParse(value);
  return parsed.success ? [] : fieldErrors(parsed.error).map(({ path, message }) => `${path}: ${message}`);
}

test('the smallest job of each type gets every default', () => {
  expect(jobSpec.parse(bash)).toMatchObject({
    timeoutSeconds: 3600,
    retry: { attempts: 1, backoff: { type: 'exponential', delaySeconds: 5 } },
    resources: { cpus: 1, memoryMiB: 512, pids: 100, diskMiB: 500 },
    pool: 'default',
    egress: 'none',
    isolation: 'job',
    priority: 0,
  });
  expect(errorsOf({ type: 'container', image: 'tool:1' })).toEqual([]);
  expect(errorsOf({ type: 'http', http: { url: 'http://example.com/x' } })).toEqual([]);
  expect(errorsOf({ type: 'tool', tool: { tool: 'slack', action: 'send_message' } })).toEqual([]);
});

test('a partly given object gets the defaults of its other fields', () => {
  expect(jobSpec.parse({ ...bash, resources: { cpus: 0.5 }, retry: { attempts: 3 } })).toMatchObject({
    resources: { cpus: 0.5, memoryMiB: 512, pids: 100, diskMiB: 500 },
    retry: { attempts: 3, on: ['failed', 'timed_out', 'oom', 'lost'] },
  });
});

test.each([
  ['an unknown field', { ...bash, colour: 'red' }, /^colour: unknown field$/],
  [
    'an unknown field deep inside',
    { ...bash, script: { ...bash.script, shell: 'x' } },
    /^script\.shell: unknown field$/,
  ],
  ['another type', { type: 'vm' }, /^type: /],
  ['no type', {}, /^type: /],
  ['a field of another type', { ...bash, http: { url: 'http://a' } }, /^http: unknown field$/],
  ['a negative timeout', { ...bash, timeoutSeconds: -1 }, /^timeoutSeconds: /],
  ['a timeout as text', { ...bash, timeoutSeconds: '60' }, /^timeoutSeconds: /],
  [
    'CRONIUM_ in env',
    { ...bash, env: { CRONIUM_JOB_ID: 'x' } },
    /^env\.CRONIUM_JOB_ID: must not begin with CRONIUM_/,
  ],
  ['NUL in the script', { ...bash, script: { language: 'bash', source: 'a\0b' } }, /^script\.source: .*NUL/],
  ['an empty script', { ...bash, script: { language: 'bash', source: '' } }, /^script\.source: /],
  [
    'a shell in an image name',
    { type: 'container', image: 'a;rm -rf /' },
    /^image: must be an image reference/,
  ],
  ['an image name with a space', { type: 'container', image: 'a b' }, /^image: /],
  ['an image name with capitals', { type: 'container', image: 'Tool' }, /^image: /],
  ['a URL that is not http', { type: 'http', http: { url: 'file:///etc/passwd' } }, /^http\.url: /],
  [
    'a line break in a header',
    { type: 'http', http: { url: 'http://a/', headers: { a: 'b\r\nc: d' } } },
    /^http\.headers\.a: /,
  ],
  ['runAt and delaySeconds', { ...bash, runAt: '2030-01-01T00:00:00Z', delaySeconds: 1 }, /^runAt: /],
  ['a name of 201', { ...bash, name: 'x'.repeat(201) }, /^name: /],
  ['a retry reason of its own', { ...bash, retry: { on: ['sometimes'] } }, /^retry\.on\[0\]: /],
  ['zero memory', { ...bash, resources: { memoryMiB: 0 } }, /^resources\.memoryMiB: /],
  ['an array', [], /^: /],
  ['null', null, /^: /],
])('refused and named: %s', (_, value, expected) => {
  const errors = errorsOf(value);
  expect(errors.length).toBeGreaterThan(0);
  expect(
    errors.some((error) => expected.test(error)),
    errors.join('\n'),
  ).toBe(true);
});

test.each([
  'busybox',
  'busybox:1.36',
  'team/tool',
  'registry.example.com:5000/team/tool:v1.2',
  `tool@sha256:${'a'.repeat(64)}`,
  'localhost:5000/a/b_c/d-e:latest',
])('an image reference: %s', (image) => {
  expect(errorsOf({ type: 'container', image })).toEqual([]);
});

test('all problems are told at once', () => {
  expect(errorsOf({ ...bash, a: 1, b: 2, timeoutSeconds: 0 })).toHaveLength(3);
});

test('delaySeconds and runAt say when a job may run', () => {
  expect(notBefore(jobSpec.parse(bash), 1000)).toBeUndefined();
  expect(notBefore(jobSpec.parse({ ...bash, delaySeconds: 1.5 }), 1000)).toBe(2500);
  expect(notBefore(jobSpec.parse({ ...bash, runAt: '1970-01-01T00:00:05Z' }), 1000)).toBe(5000);
});
