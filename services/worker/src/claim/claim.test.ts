import { jobSpec, type QueuePayload } from '@cronium/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isReportable, readClaim } from './claim.ts';

const ID = 'job_000000000000';
const held = { queue: 'default', token: 'n:t', now: Date.UTC(2026, 0, 31, 23, 59) };

function payload(more: Partial<QueuePayload> = {}): string {
  const spec = jobSpec.parse({ type: 'script', script: { language: 'bash', source: 'true' } });
  return JSON.stringify({
    v: 1,
    spec,
    tenant: 't',
    traceId: 'a'.repeat(32),
    receivedAt: 1,
    acceptedAt: 2,
    ...more,
  });
}
const claim = (data: string, started = 1) => readClaim({ id: ID, data, started, keep: true }, held);

test('the attempt’s number is the fencing epoch: what was before this stay, plus every start, minus what was put back', () => {
  expect(claim(payload(), 1)).toMatchObject({
    attempt: 1,
    attemptId: `${ID}.1`,
    lostAttempts: [],
    day: '2026-01-31',
  });
  expect(claim(payload({ attemptBase: 4 }), 2)).toMatchObject({ attempt: 6 });
  expect(claim(payload({ postponed: 2 }), 3)).toMatchObject({ attempt: 1, lostAttempts: [] });
});

test('attempts after the last reported one were lost without a word', () => {
  expect(claim(payload(), 3)).toMatchObject({
    attempt: 3,
    lostAttempts: [1, 2],
    history: { reported: 0, losses: 2 },
  });
  const history = { reported: 2, failures: 1, losses: 1 };
  expect(claim(payload({ history }), 4)).toMatchObject({
    lostAttempts: [3],
    history: { reported: 2, failures: 1, losses: 2 },
  });
  expect(claim(payload({ attemptBase: 3 }), 1)).toMatchObject({ attempt: 4, lostAttempts: [] });
});

test('whatever stands in the queue, a claim comes of it; what is right in it is kept', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), fc.constant('{"__proto__":1}')), (data) => {
      const read = claim(data);
      expect(read.unreadable).toEqual(expect.any(String));
      expect(read.payload.tenant).toEqual(expect.any(String));
    }),
  );
  const read = claim(payload({ batchId: 'batch_000000000000' }).replace('"v":1', '"v":2'));
  expect(read).toMatchObject({
    unreadable: expect.stringContaining('v: '),
    payload: { tenant: 't', batchId: 'batch_000000000000' },
  });
});

test('a job with an id of another kind is not reported', () => {
  expect(isReportable(readClaim({ id: '42', data: payload(), started: 1, keep: true }, held))).toBe(false);
  expect(isReportable(claim(payload()))).toBe(true);
});
