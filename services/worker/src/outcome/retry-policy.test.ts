import { jobSpec, type Outcome } from '@cronium/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decide, MAX_LOSS_RETRIES } from './retry-policy.ts';

const NEW = { reported: 0, failures: 0, losses: 0 };

function retryOf(retry: object = {}) {
  return jobSpec.parse({ type: 'script', script: { language: 'bash', source: 'true' }, retry }).retry;
}

function ended(state: Outcome['state'], cause = 'exit'): Outcome {
  return { state, exitCode: null, death: { cause } } as Outcome;
}

test('a job’s own failure is final by default', () => {
  expect(decide({ retry: retryOf(), outcome: ended('failed'), attempt: 1, history: NEW })).toMatchObject({
    final: true,
  });
});

test('delays are fixed, or double with each failure', () => {
  const fixed = retryOf({ attempts: 9, backoff: { type: 'fixed', delaySeconds: 2 } });
  const doubling = retryOf({ attempts: 9, backoff: { type: 'exponential', delaySeconds: 2 } });
  const third = { attempt: 3, history: { reported: 2, failures: 2, losses: 0 }, outcome: ended('failed') };
  expect(decide({ retry: fixed, ...third })).toMatchObject({ final: false, delayMs: 2000 });
  expect(decide({ retry: doubling, ...third })).toMatchObject({ final: false, delayMs: 8000 });
});

test('losses are tried again three times whatever the policy says, and do not use up the job’s attempts', () => {
  const retry = retryOf({ attempts: 1, on: [] });
  let history = NEW;
  for (let loss = 1; loss <= MAX_LOSS_RETRIES; loss++) {
    const decision = decide({ retry, outcome: ended('lost', 'daemon'), attempt: loss, history });
    expect(decision).toMatchObject({ final: false, history: { failures: 0, losses: loss } });
    history = { ...decision.history };
  }
  expect(decide({ retry, outcome: ended('lost', 'daemon'), attempt: 4, history })).toMatchObject({
    final: true,
  });
});

test.each([
  { on: ['oom'], cause: 'oom', other: 'exit' },
  { on: ['killed', 'signal'], cause: 'signal', other: 'oom' },
  { on: ['image'], cause: 'image', other: 'setup' },
])('a policy may answer to causes alone: $on', ({ on, cause, other }) => {
  const retry = retryOf({ attempts: 3, on });
  const after = (end: string) => decide({ retry, outcome: ended('failed', end), attempt: 1, history: NEW });
  expect(after(cause)).toMatchObject({ final: false });
  expect(after(other)).toMatchObject({ final: true });
});

test('every sequence of ends is finite: attempts and losses together bound it', () => {
  const state = fc.constantFrom<Outcome['state']>('failed', 'timed_out', 'lost');
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 }), fc.infiniteStream(state), (attempts, states) => {
      let history = NEW;
      let attempt = 0;
      for (const next of states) {
        attempt += 1;
        const decision = decide({ retry: retryOf({ attempts }), outcome: ended(next), attempt, history });
        if (decision.final) break;
        expect(decision.delayMs).toBeGreaterThanOrEqual(0);
        history = { ...decision.history };
      }
      expect(attempt).toBeLessThanOrEqual(attempts + MAX_LOSS_RETRIES);
    }),
  );
});

test('success, a cancel and what is hopeless are final', () => {
  const retry = retryOf({ attempts: 5 });
  expect(decide({ retry, outcome: ended('succeeded'), attempt: 1, history: NEW }).final).toBe(true);
  expect(decide({ retry, outcome: ended('cancelled', 'cancelled'), attempt: 1, history: NEW }).final).toBe(
    true,
  );
  expect(decide({ retry, outcome: ended('failed'), attempt: 1, history: NEW, hopeless: true }).final).toBe(
    true,
  );
});
