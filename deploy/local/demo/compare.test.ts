import type { JobView } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { compare } from './compare.ts';

const answer = {
  words: 3,
  lines: 1,
  top: [
    ['the', 2],
    ['a', 1],
  ],
};
// Only what the comparison reads.
const job = (language: string, more: object = {}) =>
  ({
    id: `job_${language}`,
    name: `GPL in ${language}`,
    state: 'succeeded',
    output: answer,
    ...more,
  }) as unknown as JobView;

test('three equal answers are one', () => {
  const [one] = compare(['GPL'], [job('bash'), job('python'), job('node')]);
  expect(one).toMatchObject({ answer, problems: [] });
});

test('an answer that differs is shown beside the others', () => {
  const other = {
    ...answer,
    top: [
      ['the', 2],
      ['b', 1],
    ],
  };
  const [one] = compare(['GPL'], [job('bash'), job('python', { output: other }), job('node')]);
  expect(one?.answer).toBeUndefined();
  expect(one?.problems).toEqual([
    expect.stringMatching(/^the answers differ: bash .*"a",1.*; python .*"b",1/),
  ]);
});

test('a job that is missing, failed, or answered something else is named', () => {
  const [one] = compare(['GPL'], [job('bash', { state: 'failed' }), job('python', { output: 'x' })]);
  expect(one?.problems).toEqual([
    'bash: job_bash failed',
    'python: job_python has no answer but "x"',
    'node: no job',
  ]);
});
