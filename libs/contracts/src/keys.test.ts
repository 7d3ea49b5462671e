import { expect, test } from 'vitest';
import { shortName } from './job.ts';
import { keysFor, needsOf, queueName, queueOf, serves, toQueuePriority } from './keys.ts';
import { formatTraceparent, parseTraceparent } from './traceparent.ts';

const names = Object.entries(keysFor('{abc}')).map(([name, key]) =>
  typeof key === 'string'
    ? key
    : key(/batch/i.test(name) ? 'batch_000000000000' : 'job_000000000000', 'b', 'c'),
);

test('every key carries the hash tag, and none is another', () => {
  for (const name of names) expect(name).toMatch(/^\{abc\}:/);
  expect(new Set(names).size).toBe(names.length);
});

test('none is the key of a queue, whatever people call their pools', () => {
  for (const name of names) expect(shortName.safeParse(name.split(':')[1]).success, name).toBe(false);
});

test.each(['', 'abc', '{a}{b}', '{}', '{a:b}'])('not a key prefix: %j', (prefix) => {
  expect(() => keysFor(prefix)).toThrow(RangeError);
});

test('jobs with the same needs share a queue, whatever the order they were written in', () => {
  const queue = { pool: 'default', requires: { a: '1', b: '2' } };
  expect(queueName(queue)).toBe(queueName({ pool: 'default', requires: { b: '2', a: '1' } }));
  expect(queueName(queue)).not.toBe(queueName({ pool: 'default', requires: { a: '1', b: '3' } }));
  expect(queueName({ pool: 'default', requires: {} })).toBe('default');
});

test('a node serves the queues of its pools whose needs its labels meet', () => {
  const node = { pools: ['default'], labels: { gpu: 'true' } };
  expect(serves(node, { pool: 'default', requires: {} })).toBe(true);
  expect(serves(node, { pool: 'default', requires: { gpu: 'true' } })).toBe(true);
  expect(serves(node, { pool: 'default', requires: { gpu: 'false' } })).toBe(false);
  expect(serves(node, { pool: 'other', requires: {} })).toBe(false);
});

test('a job that names services waits where only nodes that offer them look', () => {
  const spec = { pool: 'default', requires: { gpu: 'true' }, services: ['db', 'search', 'db'] };
  const queue = queueOf(spec);
  expect(queueOf({ ...spec, services: [] })).toEqual({ pool: 'default', requires: { gpu: 'true' } });
  expect(queueName(queue)).toBe(queueName(queueOf({ ...spec, services: ['search', 'db'] })));
  expect(queueName(queue)).not.toBe(queueName(queueOf({ ...spec, services: ['db'] })));
  expect(needsOf(queue)).toEqual({ labels: { gpu: 'true' }, services: ['db', 'search'] });
  const node = {
    pools: ['default'],
    labels: { gpu: 'true', 'service:db': 'true', 'service:search': 'true' },
  };
  expect(serves(node, queue)).toBe(false);
  expect(serves({ ...node, services: [{ name: 'db' }] }, queue)).toBe(false);
  expect(serves({ ...node, services: [{ name: 'search' }, { name: 'db' }] }, queue)).toBe(true);
});

test('a higher priority is a smaller positive number in the queue', () => {
  expect(toQueuePriority(1000)).toBe(1);
  expect(toQueuePriority(5)).toBeLessThan(toQueuePriority(4));
  expect(toQueuePriority(-1000)).toBe(2001);
});

const header = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

test('a traceparent is read and written', () => {
  const context = parseTraceparent(header);
  expect(context).toEqual({
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    sampled: true,
  });
  if (context) expect(formatTraceparent(context)).toBe(header);
  expect(parseTraceparent(`cc${header.slice(2)}-future`)).toEqual(context);
});

test.each([
  undefined,
  '',
  'x',
  header.toUpperCase(),
  `ff${header.slice(2)}`,
  `${header}-more`,
  header.replace(/0af\w+9c/, '0'.repeat(32)),
])('an invalid traceparent is ignored: %j', (text) => {
  expect(parseTraceparent(text)).toBeUndefined();
});
