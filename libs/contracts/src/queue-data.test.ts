import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { QueuePayload } from './attempts.ts';
import { jobSpec } from './job.ts';
import { PLAIN_SPEC_LENGTH, queueData, readQueueData } from './queue-data.ts';

function payloadOf(source: string): QueuePayload {
  return {
    v: 1,
    spec: jobSpec.parse({ type: 'script', script: { language: 'bash', source } }),
    tenant: 'default',
    traceId: '0'.repeat(32),
    receivedAt: 1,
    acceptedAt: 2,
    attemptBase: 0,
    postponed: 0,
  };
}

test('what is read is what was put in, whether it is compressed or not', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.integer({ min: 1, max: 5000 }),
      (text, times) => {
        const payload = payloadOf(`x${text.replaceAll('\0', '')}`.repeat(times).slice(0, 100_000));
        expect(readQueueData(queueData(payload))).toEqual(payload);
      },
    ),
    { numRuns: 30 },
  );
});

test('a long spec is compressed, a short one stays as it is', () => {
  const long = payloadOf('echo "one line of a long script"\n'.repeat(1000));
  expect(queueData(long).length).toBeLessThan(JSON.stringify(long).length / 10);
  const short = queueData(payloadOf('echo'));
  expect(JSON.parse(short)).toEqual(payloadOf('echo'));
  expect(short.length).toBeLessThan(PLAIN_SPEC_LENGTH);
});

test('payloads of before, and those that are not of this fleet, are read as they are', () => {
  const before = payloadOf('echo "one line of a long script"\n'.repeat(1000));
  expect(readQueueData(JSON.stringify(before))).toEqual(before);
  expect(readQueueData('[1]')).toEqual([1]);
  expect(() => readQueueData('{cut off')).toThrow(SyntaxError);
  expect(() => readQueueData('{"specZstd":"AAAA"}')).toThrow();
});
