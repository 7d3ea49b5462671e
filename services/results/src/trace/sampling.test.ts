import { traceIdForJob } from '@cronium/contracts';
import { expect, test } from 'vitest';
import { isSampled } from './sampling.ts';

const job = (more: object = {}) => ({
  state: 'succeeded',
  attempt: 1,
  trace_id: '0'.repeat(32),
  received_ms: 0,
  ended_ms: 1000,
  ...more,
});
const rule = { ratio: 0, slowMs: 5000 };

test('with a ratio of 0 an unremarkable job is left out; failed, retried and slow ones never are', () => {
  expect(isSampled(job(), rule)).toBe(false);
  for (const state of ['failed', 'timed_out', 'cancelled', 'lost']) {
    expect(isSampled(job({ state }), rule), state).toBe(true);
  }
  expect(isSampled(job({ attempt: 2 }), rule)).toBe(true);
  expect(isSampled(job({ ended_ms: 5001 }), rule)).toBe(true);
  expect(isSampled(job({ ended_ms: 5000 }), rule)).toBe(false);
});

test('the ratio is kept, and decides by the trace alone', () => {
  const ids = Array.from({ length: 4000 }, (_, n) => traceIdForJob(`job_${n}`));
  const kept = (ratio: number) => ids.filter((id) => isSampled(job({ trace_id: id }), { ...rule, ratio }));
  expect(kept(1)).toHaveLength(4000);
  expect(kept(0.25).length).toBeGreaterThan(900);
  expect(kept(0.25).length).toBeLessThan(1100);
  expect(kept(0.5)).toEqual(expect.arrayContaining(kept(0.25)));
});
