import { expect, test } from 'vitest';
import { z } from 'zod';
import { HttpProblem } from './problem.ts';
import { decodeJson, readQuery } from './request.ts';

const schema = z.strictObject({
  limit: z.coerce.number().max(10).optional(),
  label: z.union([z.string().transform((one) => [one]), z.array(z.string())]).optional(),
});
const read = (query: string) => readQuery(`http://localhost/v1/jobs${query}`, schema);

function problemOf(run: () => unknown) {
  try {
    run();
  } catch (error) {
    if (error instanceof HttpProblem) return error.problem;
    throw error;
  }
  throw new Error('no problem');
}

test('a parameter that may stand several times comes as an array', () => {
  expect(read('?limit=5&label=a&label=b')).toEqual({ limit: 5, label: ['a', 'b'] });
});

test('every wrong parameter of a query is named: unknown, out of its range, and one that may stand once only', () => {
  expect(problemOf(() => read('?limt=1&limit=11'))).toMatchObject({
    status: 400,
    errors: [
      { path: 'limit', message: expect.stringContaining('10') },
      { path: 'limt', message: 'unknown field' },
    ],
  });
  expect(problemOf(() => read('?limit=1&limit=2'))).toMatchObject({
    detail: 'limit: stands more than once',
    errors: [{ path: 'limit', message: 'stands more than once' }],
  });
});

test('a long name of a parameter is not sent back whole', () => {
  const problem = problemOf(() => read(`?${'x'.repeat(5000)}=1`));
  expect(JSON.stringify(problem).length).toBeLessThan(500);
});

test('bytes that are no JSON are answered with where and what', () => {
  expect(problemOf(() => decodeJson(Buffer.from('')))).toMatchObject({
    status: 400,
    detail: expect.stringContaining('empty'),
  });
  expect(problemOf(() => decodeJson(Buffer.from('{"a":{"b":1,"b":2}}')))).toMatchObject({
    status: 400,
    errors: [{ path: 'a.b', message: expect.stringContaining('stands twice') }],
  });
  expect(decodeJson(Buffer.from('[[1]]'))).toEqual([[1]]);
  expect(problemOf(() => decodeJson(Buffer.from('[[1]]'), { maxDepth: 1 })).detail).toMatch(/nested deeper/);
});
