import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  attemptIdOf,
  BATCH_ID,
  batchIdForKey,
  JOB_ID,
  jobIdForKey,
  jobIdForLine,
  newBatchId,
  newJobId,
  parseAttemptId,
  spanIdFor,
  traceIdForJob,
} from './ids.ts';

test('new ids have the contract form and do not repeat', () => {
  const ids = Array.from({ length: 10_000 }, newJobId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(JOB_ID);
  expect(newBatchId()).toMatch(BATCH_ID);
});

test('a key or a line always gives the same id, and another key or line another one', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (tenant, key, other) => {
      const id = jobIdForKey(tenant, key);
      expect(id).toMatch(JOB_ID);
      expect(jobIdForKey(tenant, key)).toBe(id);
      expect(batchIdForKey(tenant, key)).toMatch(BATCH_ID);
      if (other !== key) expect(jobIdForKey(tenant, other)).not.toBe(id);
    }),
  );
  const lines = Array.from({ length: 10_000 }, (_, line) => jobIdForLine('batch_000000000000', line + 1));
  expect(new Set(lines).size).toBe(lines.length);
});

test('ids are those of former versions: a batch that is sent again after an upgrade is the same batch', () => {
  const batch = 'batch_0123456789Ab';
  expect([jobIdForLine(batch, 1), jobIdForLine(batch, 1_000_000)]).toEqual([
    'job_FlqBToElrzSJ',
    'job_VTvZqwXYZrdR',
  ]);
  expect([jobIdForKey('default', 'nightly'), batchIdForKey('default', 'nightly')]).toEqual([
    'job_EfkDAEGfkElL',
    'batch_mObeowrYN8iH',
  ]);
  expect([traceIdForJob('job_FlqBToElrzSJ'), spanIdFor('job_FlqBToElrzSJ', 'job')]).toEqual([
    'e2a2553d4c541d1e8b26a833ccf45ac4',
    '727c0e9592c50a6e',
  ]);
});

test('tenant and key cannot be shifted into each other', () => {
  expect(jobIdForKey('ab', 'c')).not.toBe(jobIdForKey('a', 'bc'));
});

test('an attempt id can be taken apart again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 999_999_999 }), (attempt) => {
      const jobId = newJobId();
      expect(parseAttemptId(attemptIdOf(jobId, attempt))).toEqual({ jobId, attempt });
    }),
  );
});

test.each([
  '',
  'job_abc.1',
  'job_abcdefghijkl',
  'job_abcdefghijkl.0',
  'job_abcdefghijkl.01',
  'job_abcdefghijkl.1 ',
])('not an attempt id: %j', (text) => {
  expect(() => parseAttemptId(text)).toThrow(RangeError);
});

test('derived trace and span ids have the lengths of W3C trace context', () => {
  expect(traceIdForJob(newJobId())).toMatch(/^[0-9a-f]{32}$/);
  expect(spanIdFor('job_abcdefghijkl.1', 'run')).toMatch(/^[0-9a-f]{16}$/);
  expect(spanIdFor('job_abcdefghijkl.1', 'run')).not.toBe(spanIdFor('job_abcdefghijkl.2', 'run'));
});
